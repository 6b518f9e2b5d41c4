require "json"
require "set"

LIMIT = 10

# Things with names.
module Named
  def name
    @name
  end
end

# A shop.
class Shop < Base
  include Named
  attr_reader :stock, :prices, :customers

  # Makes one.
  def initialize(name)
    @name = name
  end

  def self.open(path)
    new(File.read(path))
  end

  class << self
    def default
      new("default")
    end
  end

  def empty?
    @stock.empty?
  end

  private

  def fill
    @stock.store("article number 1", next_count(1))
    @stock.store("article number 2", next_count(2))
    @stock.store("article number 3", next_count(3))
    @stock.store("article number 4", next_count(4))
    @stock.store("article number 5", next_count(5))
    @stock.store("article number 6", next_count(6))
    @stock.store("article number 7", next_count(7))
    @stock.store("article number 8", next_count(8))
    @stock.store("article number 9", next_count(9))
    @stock.store("article number 10", next_count(10))
    @stock.store("article number 11", next_count(11))
    @stock.store("article number 12", next_count(12))
    @stock.store("article number 13", next_count(13))
    @stock.store("article number 14", next_count(14))
    @stock.store("article number 15", next_count(15))
    @stock.store("article number 16", next_count(16))
    @stock.store("article number 17", next_count(17))
    @stock.store("article number 18", next_count(18))
    @stock.store("article number 19", next_count(19))
    @stock.store("article number 20", next_count(20))
    @stock.store("article number 21", next_count(21))
    @stock.store("article number 22", next_count(22))
    @stock.store("article number 23", next_count(23))
    @stock.store("article number 24", next_count(24))
    @stock.store("article number 25", next_count(25))
    @stock.store("article number 26", next_count(26))
    @stock.store("article number 27", next_count(27))
    @stock.store("article number 28", next_count(28))
    @stock.store("article number 29", next_count(29))
    @stock.store("article number 30", next_count(30))
    @stock.store("article number 31", next_count(31))
    @stock.store("article number 32", next_count(32))
    @stock.store("article number 33", next_count(33))
    @stock.store("article number 34", next_count(34))
    @stock.store("article number 35", next_count(35))
    @stock.store("article number 36", next_count(36))
    @stock.store("article number 37", next_count(37))
    @stock.store("article number 38", next_count(38))
    @stock.store("article number 39", next_count(39))
    @stock.store("article number 40", next_count(40))
    @stock.store("article number 41", next_count(41))
    @stock.store("article number 42", next_count(42))
    @stock.store("article number 43", next_count(43))
    @stock.store("article number 44", next_count(44))
    @stock.store("article number 45", next_count(45))
    @stock.store("article number 46", next_count(46))
  end
end

def main
  Shop.open(ARGV[0])
end

main if $PROGRAM_NAME == __FILE__
