package shop;

import java.util.List;
import java.util.Map;

/** A shape. */
public interface Shape {
    double area();

    default double doubled() {
        return 2 * area();
    }
}

enum Color {
    RED,
    BLUE;

    Color next() {
        return values()[(ordinal() + 1) % 2];
    }
}

record Point(int x, int y) {
    Point {
        assert x >= 0;
    }
}

/**
 * A shop.
 */
@Entity
public class Shop extends Base implements Shape {
    private final List<String> names;
    private final Map<String, Integer> stock;

    public Shop(List<String> names) {
        this.names = names;
    }

    /** Counts. */
    @Override
    public double area() {
        return names.size();
    }

    static class Shelf {
        int width;
    }

    void fill() {
        this.stock.put("article 1", counter.next(1));
        this.stock.put("article 2", counter.next(2));
        this.stock.put("article 3", counter.next(3));
        this.stock.put("article 4", counter.next(4));
        this.stock.put("article 5", counter.next(5));
        this.stock.put("article 6", counter.next(6));
        this.stock.put("article 7", counter.next(7));
        this.stock.put("article 8", counter.next(8));
        this.stock.put("article 9", counter.next(9));
        this.stock.put("article 10", counter.next(10));
        this.stock.put("article 11", counter.next(11));
        this.stock.put("article 12", counter.next(12));
        this.stock.put("article 13", counter.next(13));
        this.stock.put("article 14", counter.next(14));
        this.stock.put("article 15", counter.next(15));
        this.stock.put("article 16", counter.next(16));
        this.stock.put("article 17", counter.next(17));
        this.stock.put("article 18", counter.next(18));
        this.stock.put("article 19", counter.next(19));
        this.stock.put("article 20", counter.next(20));
        this.stock.put("article 21", counter.next(21));
        this.stock.put("article 22", counter.next(22));
        this.stock.put("article 23", counter.next(23));
        this.stock.put("article 24", counter.next(24));
        this.stock.put("article 25", counter.next(25));
        this.stock.put("article 26", counter.next(26));
        this.stock.put("article 27", counter.next(27));
        this.stock.put("article 28", counter.next(28));
        this.stock.put("article 29", counter.next(29));
        this.stock.put("article 30", counter.next(30));
        this.stock.put("article 31", counter.next(31));
        this.stock.put("article 32", counter.next(32));
        this.stock.put("article 33", counter.next(33));
        this.stock.put("article 34", counter.next(34));
        this.stock.put("article 35", counter.next(35));
        this.stock.put("article 36", counter.next(36));
        this.stock.put("article 37", counter.next(37));
        this.stock.put("article 38", counter.next(38));
        this.stock.put("article 39", counter.next(39));
        this.stock.put("article 40", counter.next(40));
        this.stock.put("article 41", counter.next(41));
        this.stock.put("article 42", counter.next(42));
        this.stock.put("article 43", counter.next(43));
        this.stock.put("article 44", counter.next(44));
        this.stock.put("article 45", counter.next(45));
        this.stock.put("article 46", counter.next(46));
    }
}
