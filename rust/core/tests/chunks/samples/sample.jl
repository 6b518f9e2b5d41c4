"Orders of a shop."
module Shop

using Dates
import Base: show, +

export Item, Order, total

const MAX_ITEMS = 100

const RATES = Dict(
    :at => 20,
    :be => 21,
    :de => 19,
    :fr => 20,
)

@enum State open paid sent

abstract type Priced end

"""
    Item(sku, price)

A thing on a shelf.
"""
struct Item <: Priced
    sku::String
    price::Int

    function Item(sku, price)
        price >= 0 || throw(ArgumentError("a negative price"))
        new(sku, price)
    end
end

Base.@kwdef mutable struct Order{T<:Priced}
    items::Vector{T} = T[]
    country::Symbol = :de
    changed::DateTime = now()
end

# The price with tax.
gross(item::Priced, rate) = item.price * (100 + rate) ÷ 100

"""
What is to be paid.
"""
function total(order::Order)
    rate = RATES[order.country]
    sum(item -> gross(item, rate), order.items; init = 0)
end

function Base.show(io::IO, order::Order)
    print(io, "Order of ", length(order.items), " items")
end

a::Item + b::Item = Item(a.sku, a.price + b.price)

macro logged(call)
    quote
        println("calling ", $(string(call)))
        $(esc(call))
    end
end

"""
    parse_items(text)

Reads lines such as `sku;price` and tells which of them are no items. Comments and empty lines are
left out; the numbers are those of the lines of the file, counted from one.
"""
function parse_items(text::AbstractString; strict::Bool = false)::Tuple{Vector{Item},Vector{String}}
    items = Item[]
    errors = String[]
    for (number, line) in enumerate(eachline(IOBuffer(text)))
        stripped = strip(line)
        if isempty(stripped) || startswith(stripped, '#')
            continue
        end
        parts = split(stripped, ';')
        if length(parts) != 2
            push!(errors, "line $number: no item: $stripped")
            strict && break
            continue
        end
        sku, digits = parts
        if isempty(sku)
            push!(errors, "line $number: an item without a name")
            strict && break
            continue
        end
        price = tryparse(Int, digits)
        if price === nothing
            push!(errors, "line $number: $sku costs $digits, which is no number")
        elseif price < 0
            push!(errors, "line $number: $sku costs less than nothing")
        elseif price > 100_000
            push!(errors, "line $number: $sku is too dear")
        elseif any(item -> item.sku == sku, items)
            push!(errors, "line $number: $sku is there twice")
        else
            push!(items, Item(sku, price))
        end
        if length(items) > MAX_ITEMS
            push!(errors, "line $number: more than $MAX_ITEMS items")
            break
        end
    end
    if strict && !isempty(errors)
        throw(ArgumentError(join(errors, '\n')))
    end
    return items, errors
end

module Formats

const WIDTH = 20

function line(item)
    string(rpad(item.sku, WIDTH), lpad(item.price / 100, 10))
end

end # module Formats

end # module Shop
