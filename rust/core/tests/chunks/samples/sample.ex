defmodule Shop.Order do
  @moduledoc """
  Orders of a shop.
  """

  alias Shop.{Item, Store}
  require Logger

  @max_items 100
  @rates %{at: 20, be: 21, de: 19, fr: 20}

  @type t :: %__MODULE__{items: [Item.t()], country: atom}

  defstruct items: [], country: :de, changed: nil

  @doc "An order without items."
  @spec new(atom) :: t
  def new(country), do: %__MODULE__{country: country}

  @doc """
  Adds an item, or says why that cannot be.
  """
  @spec add(t, Item.t()) :: {:ok, t} | {:error, String.t()}
  def add(%__MODULE__{items: items}, _item) when length(items) >= @max_items do
    {:error, "the order is full"}
  end

  def add(%__MODULE__{items: items} = order, %Item{} = item) do
    {:ok, %{order | items: [item | items], changed: DateTime.utc_now()}}
  end

  # The next country of the alphabet.
  defp next(:at), do: :be
  defp next(:be), do: :de
  defp next(:de), do: :fr
  defp next(_), do: nil

  @doc """
  Reads lines such as `sku;price` and says which of them are no items. Comments and empty lines are
  left out; the numbers are those of the lines of the file, counted from one.
  """
  def parse(text, country) do
    {items, errors} =
      text
      |> String.split("\n")
      |> Enum.with_index(1)
      |> Enum.reject(fn {line, _} -> String.trim(line) == "" or String.starts_with?(line, "#") end)
      |> Enum.reduce({[], []}, fn {line, number}, {items, errors} ->
        case String.split(line, ";") do
          ["", _] ->
            {items, ["line #{number}: an item without a name" | errors]}

          [sku, ""] ->
            {items, ["line #{number}: no price of #{sku}" | errors]}

          [sku, digits] ->
            case Integer.parse(digits) do
              {price, ""} when price >= 0 ->
                {[%Item{sku: sku, price: price} | items], errors}

              {_, ""} ->
                {items, ["line #{number}: #{sku} costs less than nothing" | errors]}

              _ ->
                {items, ["line #{number}: #{sku} costs #{digits}, which is no number" | errors]}
            end

          _ ->
            Logger.warning("line #{number} of an order of #{country} is no item")
            {items, ["line #{number}: no item: #{line}" | errors]}
        end
      end)

    case errors do
      [] -> {:ok, %__MODULE__{items: Enum.reverse(items), country: country}}
      _ -> {:error, Enum.reverse(errors)}
    end
  end

  @doc "What a country is called in a letter."
  def country_name(:xx), do: "nowhere"
  def country_name(:at), do: "Austria"
  def country_name(:be), do: "Belgium"
  def country_name(:bg), do: "Bulgaria"
  def country_name(:hr), do: "Croatia"
  def country_name(:cy), do: "Cyprus"
  def country_name(:cz), do: "Czechia"
  def country_name(:dk), do: "Denmark"
  def country_name(:ee), do: "Estonia"
  def country_name(:fi), do: "Finland"
  def country_name(:fr), do: "France"
  def country_name(:de), do: "Germany"
  def country_name(:gr), do: "Greece"
  def country_name(:hu), do: "Hungary"
  def country_name(:is), do: "Iceland"
  def country_name(:ie), do: "Ireland"
  def country_name(:it), do: "Italy"
  def country_name(:lv), do: "Latvia"
  def country_name(:li), do: "Liechtenstein"
  def country_name(:lt), do: "Lithuania"
  def country_name(:lu), do: "Luxembourg"
  def country_name(:mt), do: "Malta"
  def country_name(:nl), do: "Netherlands"
  def country_name(:no), do: "Norway"
  def country_name(:pl), do: "Poland"
  def country_name(:pt), do: "Portugal"
  def country_name(:ro), do: "Romania"
  def country_name(:sk), do: "Slovakia"
  def country_name(:si), do: "Slovenia"
  def country_name(:es), do: "Spain"
  def country_name(:se), do: "Sweden"
  def country_name(:ch), do: "Switzerland"
  def country_name(:ua), do: "Ukraine"
  def country_name(:gb), do: "Britain"
  def country_name(:al), do: "Albania"
  def country_name(:rs), do: "Serbia"
  def country_name(:me), do: "Montenegro"
  def country_name(:md), do: "Moldova"
  def country_name(:mk), do: "Macedonia"
  def country_name(:ba), do: "Bosnia"
  def country_name(:ge), do: "Georgia"
  def country_name(:am), do: "Armenia"
  def country_name(:tr), do: "Turkey"
  def country_name(:us), do: "America"
  def country_name(:ca), do: "Canada"
  def country_name(:mx), do: "Mexico"
  def country_name(:br), do: "Brazil"
  def country_name(:ar), do: "Argentina"
  def country_name(:cl), do: "Chile"
  def country_name(:jp), do: "Japan"
  def country_name(:kr), do: "Korea"
  def country_name(:cn), do: "China"
  def country_name(:in), do: "India"
  def country_name(:au), do: "Australia"
  def country_name(:nz), do: "Zealand"
  def country_name(:za), do: "Africa"
  def country_name(:eg), do: "Egypt"
  def country_name(:ma), do: "Morocco"
  def country_name(:tn), do: "Tunisia"
  def country_name(:ke), do: "Kenya"
  def country_name(:ng), do: "Nigeria"
  def country_name(:gh), do: "Ghana"

  defmacro on_event(name, do: block) do
    quote do
      def handle(unquote(name), var!(state)), do: unquote(block)
    end
  end

  defguardp is_dear(price) when is_integer(price) and price > 100_000

  def left <~> right, do: Map.merge(left, right)

  def total(%__MODULE__{} = order) do
    rate = Map.fetch!(@rates, order.country)
    Enum.reduce(order.items, 0, fn item, sum -> sum + div(item.price * (100 + rate), 100) end)
  end
end

defprotocol Shop.Priced do
  @doc "The price in cents."
  def net(thing)
end

defimpl Shop.Priced, for: Shop.Order do
  def net(order), do: Enum.sum(Enum.map(order.items, & &1.price))
end

defmodule Shop.OrderTest do
  use ExUnit.Case, async: true

  describe "add/2" do
    test "refuses the hundred and first item" do
      order = %Shop.Order{items: List.duplicate(%Shop.Item{}, 100)}
      assert {:error, _} = Shop.Order.add(order, %Shop.Item{})
    end
  end
end
