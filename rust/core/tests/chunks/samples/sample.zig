//! Orders of a shop.
const std = @import("std");
const Allocator = std.mem.Allocator;

pub const max_items = 100;

const rates = [_]Rate{
    .{ .country = "at", .percent = 20 },
    .{ .country = "be", .percent = 21 },
    .{ .country = "de", .percent = 19 },
    .{ .country = "fr", .percent = 20 },
};

const Rate = struct { country: []const u8, percent: u8 };

/// Why something cannot be.
pub const ShopError = error{
    Full,
    NoSuchItem,
    OutOfMemory,
};

/// What happened to an order.
pub const Event = union(enum) {
    added: Item,
    removed: []const u8,
    cleared,
};

pub const State = enum(u8) {
    open,
    paid,
    sent,

    pub fn next(self: State) State {
        return @enumFromInt(@intFromEnum(self) + 1);
    }
};

/// A thing on a shelf.
pub const Item = struct {
    sku: []const u8,
    price: u32 = 0,

    /// The price with tax.
    pub fn gross(self: Item, percent: u8) u32 {
        return self.price * (100 + @as(u32, percent)) / 100;
    }
};

/// A list that knows how many it may hold.
pub fn Bounded(comptime T: type, comptime limit: usize) type {
    return struct {
        const Self = @This();

        items: [limit]T = undefined,
        len: usize = 0,

        pub fn push(self: *Self, item: T) ShopError!void {
            if (self.len == limit) return error.Full;
            self.items[self.len] = item;
            self.len += 1;
        }
    };
}

/// An order, which owns its items.
pub const Order = struct {
    allocator: Allocator,
    items: std.ArrayList(Item),
    state: State = .open,
    country: []const u8,

    pub fn init(allocator: Allocator, country: []const u8) Order {
        return .{ .allocator = allocator, .items = .init(allocator), .country = country };
    }

    pub fn deinit(self: *Order) void {
        for (self.items.items) |item| self.allocator.free(item.sku);
        self.items.deinit();
    }

    /// Adds an item, or says why that cannot be.
    pub fn add(self: *Order, item: Item) ShopError!void {
        if (self.items.items.len >= max_items) return error.Full;
        const sku = try self.allocator.dupe(u8, item.sku);
        errdefer self.allocator.free(sku);
        try self.items.append(.{ .sku = sku, .price = item.price });
    }

    pub fn remove(self: *Order, sku: []const u8) ShopError!void {
        for (self.items.items, 0..) |item, at| {
            if (std.mem.eql(u8, item.sku, sku)) {
                self.allocator.free(item.sku);
                _ = self.items.orderedRemove(at);
                return;
            }
        }
        return error.NoSuchItem;
    }

    pub fn total(self: *const Order) u64 {
        const percent = for (rates) |rate| {
            if (std.mem.eql(u8, rate.country, self.country)) break rate.percent;
        } else 19;
        var sum: u64 = 0;
        for (self.items.items) |item| sum += item.gross(percent);
        return sum;
    }

    /// What a country is called in a letter.
    pub fn countryName(code: []const u8) ?[]const u8 {
        const names = .{
            .{ "at", "Austria" },
            .{ "be", "Belgium" },
            .{ "bg", "Bulgaria" },
            .{ "hr", "Croatia" },
            .{ "cy", "Cyprus" },
            .{ "cz", "Czechia" },
            .{ "dk", "Denmark" },
            .{ "ee", "Estonia" },
            .{ "fi", "Finland" },
            .{ "fr", "France" },
            .{ "de", "Germany" },
            .{ "gr", "Greece" },
            .{ "hu", "Hungary" },
            .{ "is", "Iceland" },
            .{ "ie", "Ireland" },
            .{ "it", "Italy" },
            .{ "lv", "Latvia" },
            .{ "li", "Liechtenstein" },
            .{ "lt", "Lithuania" },
            .{ "lu", "Luxembourg" },
            .{ "mt", "Malta" },
            .{ "nl", "Netherlands" },
            .{ "no", "Norway" },
            .{ "pl", "Poland" },
            .{ "pt", "Portugal" },
            .{ "ro", "Romania" },
            .{ "sk", "Slovakia" },
            .{ "si", "Slovenia" },
            .{ "es", "Spain" },
            .{ "se", "Sweden" },
            .{ "ch", "Switzerland" },
            .{ "ua", "Ukraine" },
            .{ "gb", "Britain" },
            .{ "al", "Albania" },
        };
        inline for (names) |pair| if (std.mem.eql(u8, pair[0], code)) return pair[1];
        return null;
    }

    /// Prints a line for every item and one for all of them.
    pub fn print(self: *const Order, writer: anytype) !void {
        for (self.items.items) |item| {
            try writer.print("{s:<20} {d:>10}.{d:0>2}\n", .{ item.sku, item.price / 100, item.price % 100 });
        }
        const sum = self.total();
        try writer.print("{s:<20} {d:>10}.{d:0>2}\n", .{ "all", sum / 100, sum % 100 });
        try writer.print("{d} items, {s}\n", .{ self.items.items.len, @tagName(self.state) });
    }
};

export fn shop_max_items() c_int {
    return max_items;
}

test "an order refuses what is too much" {
    var order = Order.init(std.testing.allocator, "de");
    defer order.deinit();
    for (0..max_items) |_| try order.add(.{ .sku = "a", .price = 1 });
    try std.testing.expectError(error.Full, order.add(.{ .sku = "b" }));
}
