#pragma once

#include <string>
#include <vector>

using namespace std;

namespace shapes {

template <typename T>
T square(T x) {
  return x * x;
}

/// A shape.
class Shape {
 public:
  virtual ~Shape() = default;
  virtual double area() const = 0;
};

template <typename T>
class Canvas : public Shape {
 public:
  explicit Canvas(int size) : size_(size) {}

  // Adds one.
  void add(T shape) {
    shapes_.push_back(std::move(shape));
  }

  bool operator==(const Canvas& other) const {
    return size_ == other.size_;
  }

  ~Canvas() {
    clear();
  }

 private:
  struct Cell {
    int row;
    int column;
  };

  void draw() {
    context_.fill_rectangle(1, size_, "color number 1");
    context_.fill_rectangle(2, size_, "color number 2");
    context_.fill_rectangle(3, size_, "color number 3");
    context_.fill_rectangle(4, size_, "color number 4");
    context_.fill_rectangle(5, size_, "color number 5");
    context_.fill_rectangle(6, size_, "color number 6");
    context_.fill_rectangle(7, size_, "color number 7");
    context_.fill_rectangle(8, size_, "color number 8");
    context_.fill_rectangle(9, size_, "color number 9");
    context_.fill_rectangle(10, size_, "color number 10");
    context_.fill_rectangle(11, size_, "color number 11");
    context_.fill_rectangle(12, size_, "color number 12");
    context_.fill_rectangle(13, size_, "color number 13");
    context_.fill_rectangle(14, size_, "color number 14");
    context_.fill_rectangle(15, size_, "color number 15");
    context_.fill_rectangle(16, size_, "color number 16");
    context_.fill_rectangle(17, size_, "color number 17");
    context_.fill_rectangle(18, size_, "color number 18");
    context_.fill_rectangle(19, size_, "color number 19");
    context_.fill_rectangle(20, size_, "color number 20");
    context_.fill_rectangle(21, size_, "color number 21");
    context_.fill_rectangle(22, size_, "color number 22");
    context_.fill_rectangle(23, size_, "color number 23");
    context_.fill_rectangle(24, size_, "color number 24");
    context_.fill_rectangle(25, size_, "color number 25");
    context_.fill_rectangle(26, size_, "color number 26");
    context_.fill_rectangle(27, size_, "color number 27");
    context_.fill_rectangle(28, size_, "color number 28");
    context_.fill_rectangle(29, size_, "color number 29");
    context_.fill_rectangle(30, size_, "color number 30");
    context_.fill_rectangle(31, size_, "color number 31");
    context_.fill_rectangle(32, size_, "color number 32");
    context_.fill_rectangle(33, size_, "color number 33");
    context_.fill_rectangle(34, size_, "color number 34");
    context_.fill_rectangle(35, size_, "color number 35");
    context_.fill_rectangle(36, size_, "color number 36");
    context_.fill_rectangle(37, size_, "color number 37");
    context_.fill_rectangle(38, size_, "color number 38");
    context_.fill_rectangle(39, size_, "color number 39");
    context_.fill_rectangle(40, size_, "color number 40");
    context_.fill_rectangle(41, size_, "color number 41");
    context_.fill_rectangle(42, size_, "color number 42");
    context_.fill_rectangle(43, size_, "color number 43");
    context_.fill_rectangle(44, size_, "color number 44");
  }

  int size_;
  std::vector<T> shapes_;
};

double Circle::area() const {
  return 3.14 * radius_ * radius_;
}

}  // namespace shapes

extern "C" {
int shapes_version(void) {
  return 1;
}
}

enum class Color { Red, Blue };

TEST(ShapeTest, Area) {
  EXPECT_EQ(1, 1);
}
