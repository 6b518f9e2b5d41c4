"""Orders and their prices."""

import json
from decimal import Decimal

# Prices are kept in cents.
CENTS = 100


def total(items):
    """Add up the items."""
    return sum(item.price for item in items)


# Rounds as the bank does.
@cached
@checked(mode="strict")
def rounded(value):
    return value.quantize(Decimal("0.01"))


class Empty(Exception):
    pass


class Ledger:
    """Keeps every booking of one account and answers questions about them later."""

    currency = "EUR"
    precision = 2

    def __init__(self, name):
        self.name = name
        self.bookings = []

    # The newest booking comes last.
    @property
    def newest(self):
        return self.bookings[-1]

    async def post(self, booking):
        self.bookings.append(booking)

    class Page:
        def render(self):
            return ""

    def report(self):
        self.write_row("column 1", self.bookings[1].amount)
        self.write_row("column 2", self.bookings[2].amount)
        self.write_row("column 3", self.bookings[3].amount)
        self.write_row("column 4", self.bookings[4].amount)
        self.write_row("column 5", self.bookings[5].amount)
        self.write_row("column 6", self.bookings[6].amount)
        self.write_row("column 7", self.bookings[7].amount)
        self.write_row("column 8", self.bookings[8].amount)
        self.write_row("column 9", self.bookings[9].amount)
        self.write_row("column 10", self.bookings[10].amount)
        self.write_row("column 11", self.bookings[11].amount)
        self.write_row("column 12", self.bookings[12].amount)
        self.write_row("column 13", self.bookings[13].amount)
        self.write_row("column 14", self.bookings[14].amount)
        self.write_row("column 15", self.bookings[15].amount)
        self.write_row("column 16", self.bookings[16].amount)
        self.write_row("column 17", self.bookings[17].amount)
        self.write_row("column 18", self.bookings[18].amount)
        self.write_row("column 19", self.bookings[19].amount)
        self.write_row("column 20", self.bookings[20].amount)
        self.write_row("column 21", self.bookings[21].amount)
        self.write_row("column 22", self.bookings[22].amount)
        self.write_row("column 23", self.bookings[23].amount)
        self.write_row("column 24", self.bookings[24].amount)
        self.write_row("column 25", self.bookings[25].amount)
        self.write_row("column 26", self.bookings[26].amount)
        self.write_row("column 27", self.bookings[27].amount)
        self.write_row("column 28", self.bookings[28].amount)
        self.write_row("column 29", self.bookings[29].amount)
        self.write_row("column 30", self.bookings[30].amount)
        self.write_row("column 31", self.bookings[31].amount)
        self.write_row("column 32", self.bookings[32].amount)
        self.write_row("column 33", self.bookings[33].amount)
        self.write_row("column 34", self.bookings[34].amount)
        self.write_row("column 35", self.bookings[35].amount)
        self.write_row("column 36", self.bookings[36].amount)
        self.write_row("column 37", self.bookings[37].amount)
        self.write_row("column 38", self.bookings[38].amount)
        self.write_row("column 39", self.bookings[39].amount)
        self.write_row("column 40", self.bookings[40].amount)
        self.write_row("column 41", self.bookings[41].amount)
        self.write_row("column 42", self.bookings[42].amount)
        self.write_row("column 43", self.bookings[43].amount)
        self.write_row("column 44", self.bookings[44].amount)


def outer(rows):
    def small(row):
        return row

    def large(row):
        row.set_field("inner field 1", row.compute_value(1))
        row.set_field("inner field 2", row.compute_value(2))
        row.set_field("inner field 3", row.compute_value(3))
        row.set_field("inner field 4", row.compute_value(4))
        row.set_field("inner field 5", row.compute_value(5))
        row.set_field("inner field 6", row.compute_value(6))
        row.set_field("inner field 7", row.compute_value(7))
        row.set_field("inner field 8", row.compute_value(8))
        row.set_field("inner field 9", row.compute_value(9))
        row.set_field("inner field 10", row.compute_value(10))
        row.set_field("inner field 11", row.compute_value(11))
        row.set_field("inner field 12", row.compute_value(12))
        return row

    rows.append_checked(large(small("row number 1")))
    rows.append_checked(large(small("row number 2")))
    rows.append_checked(large(small("row number 3")))
    rows.append_checked(large(small("row number 4")))
    rows.append_checked(large(small("row number 5")))
    rows.append_checked(large(small("row number 6")))
    rows.append_checked(large(small("row number 7")))
    rows.append_checked(large(small("row number 8")))
    rows.append_checked(large(small("row number 9")))
    rows.append_checked(large(small("row number 10")))
    rows.append_checked(large(small("row number 11")))
    rows.append_checked(large(small("row number 12")))
    rows.append_checked(large(small("row number 13")))
    rows.append_checked(large(small("row number 14")))
    rows.append_checked(large(small("row number 15")))
    rows.append_checked(large(small("row number 16")))
    rows.append_checked(large(small("row number 17")))
    rows.append_checked(large(small("row number 18")))
    rows.append_checked(large(small("row number 19")))
    rows.append_checked(large(small("row number 20")))
    rows.append_checked(large(small("row number 21")))
    rows.append_checked(large(small("row number 22")))
    rows.append_checked(large(small("row number 23")))
    rows.append_checked(large(small("row number 24")))
    rows.append_checked(large(small("row number 25")))
    rows.append_checked(large(small("row number 26")))
    rows.append_checked(large(small("row number 27")))
    rows.append_checked(large(small("row number 28")))
    rows.append_checked(large(small("row number 29")))
    rows.append_checked(large(small("row number 30")))
    rows.append_checked(large(small("row number 31")))
    rows.append_checked(large(small("row number 32")))
    rows.append_checked(large(small("row number 33")))
    rows.append_checked(large(small("row number 34")))
    rows.append_checked(large(small("row number 35")))
    rows.append_checked(large(small("row number 36")))
    rows.append_checked(large(small("row number 37")))
    rows.append_checked(large(small("row number 38")))
    rows.append_checked(large(small("row number 39")))
    rows.append_checked(large(small("row number 40")))
    return rows


if TYPE_CHECKING:
    from typing import Any
else:
    def fallback():
        return None

try:
    import fast
except ImportError:
    fast = None
