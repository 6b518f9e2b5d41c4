-- Orders of a shop.
SET search_path TO shop;

CREATE SCHEMA IF NOT EXISTS shop;

CREATE TYPE shop.order_state AS ENUM ('open', 'paid', 'sent');

-- A thing on a shelf.
CREATE TABLE shop.items (
    sku text PRIMARY KEY,
    price integer NOT NULL CHECK (price >= 0),
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS shop.orders (
    id bigserial PRIMARY KEY,
    country char(2) NOT NULL,
    state shop.order_state NOT NULL DEFAULT 'open',
    customer_id bigint REFERENCES shop.customers (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX orders_by_customer ON shop.orders (customer_id, state);

ALTER TABLE shop.orders ADD COLUMN changed_at timestamptz;

/* What is to be paid, by order. */
CREATE OR REPLACE VIEW shop.totals AS
SELECT o.id, sum(i.price * (100 + r.percent) / 100) AS total
FROM shop.orders AS o
JOIN shop.order_items AS oi ON oi.order_id = o.id
JOIN shop.items AS i ON i.sku = oi.sku
LEFT JOIN shop.rates AS r ON r.country = o.country
GROUP BY o.id;

CREATE MATERIALIZED VIEW shop.best_sellers AS
WITH sold AS (
    SELECT oi.sku, count(*) AS n
    FROM shop.order_items AS oi
    GROUP BY oi.sku
)
SELECT sku, n FROM sold ORDER BY n DESC LIMIT 100;

-- The price with tax.
CREATE FUNCTION shop.gross(price integer, rate integer DEFAULT 19)
RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$
    SELECT price * (100 + rate) / 100;
$$;

CREATE OR REPLACE FUNCTION shop.touch() RETURNS trigger AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER touch_orders
BEFORE UPDATE ON shop.orders
FOR EACH ROW EXECUTE FUNCTION shop.touch();

INSERT INTO shop.rates (country, percent) VALUES
    ('at', 20),
    ('be', 21),
    ('de', 19),
    ('fr', 20);

INSERT INTO shop.countries (code, name, percent, letters) VALUES
    ('xx', 'nowhere', 0, 7),
    ('at', 'Austria', 15, 7),
    ('be', 'Belgium', 22, 7),
    ('bg', 'Bulgaria', 16, 8),
    ('hr', 'Croatia', 23, 7),
    ('cy', 'Cyprus', 17, 6),
    ('cz', 'Czechia', 24, 7),
    ('dk', 'Denmark', 18, 7),
    ('ee', 'Estonia', 25, 7),
    ('fi', 'Finland', 19, 7),
    ('fr', 'France', 26, 6),
    ('de', 'Germany', 20, 7),
    ('gr', 'Greece', 27, 6),
    ('hu', 'Hungary', 21, 7),
    ('is', 'Iceland', 15, 7),
    ('ie', 'Ireland', 22, 7),
    ('it', 'Italy', 16, 5),
    ('lv', 'Latvia', 23, 6),
    ('li', 'Liechtenstein', 17, 13),
    ('lt', 'Lithuania', 24, 9),
    ('lu', 'Luxembourg', 18, 10),
    ('mt', 'Malta', 25, 5),
    ('nl', 'Netherlands', 19, 11),
    ('no', 'Norway', 26, 6),
    ('pl', 'Poland', 20, 6),
    ('pt', 'Portugal', 27, 8),
    ('ro', 'Romania', 21, 7),
    ('sk', 'Slovakia', 15, 8),
    ('si', 'Slovenia', 22, 8),
    ('es', 'Spain', 16, 5),
    ('se', 'Sweden', 23, 6),
    ('ch', 'Switzerland', 17, 11),
    ('ua', 'Ukraine', 24, 7),
    ('gb', 'Britain', 18, 7),
    ('al', 'Albania', 25, 7),
    ('rs', 'Serbia', 19, 6),
    ('me', 'Montenegro', 26, 10),
    ('md', 'Moldova', 20, 7),
    ('mk', 'Macedonia', 27, 9),
    ('ba', 'Bosnia', 21, 6),
    ('ge', 'Georgia', 15, 7),
    ('am', 'Armenia', 22, 7),
    ('tr', 'Turkey', 16, 6),
    ('us', 'America', 23, 7),
    ('ca', 'Canada', 17, 6),
    ('mx', 'Mexico', 24, 6),
    ('br', 'Brazil', 18, 6),
    ('ar', 'Argentina', 25, 9),
    ('cl', 'Chile', 19, 5),
    ('jp', 'Japan', 26, 5),
    ('kr', 'Korea', 20, 5),
    ('cn', 'China', 27, 5),
    ('in', 'India', 21, 5),
    ('au', 'Australia', 15, 9),
    ('nz', 'Zealand', 22, 7),
    ('za', 'Africa', 16, 6),
    ('eg', 'Egypt', 23, 5),
    ('ma', 'Morocco', 17, 7),
    ('tn', 'Tunisia', 24, 7),
    ('ke', 'Kenya', 18, 5),
    ('ng', 'Nigeria', 25, 7),
    ('gh', 'Ghana', 19, 5),
    ('zz', 'anywhere', 0, 8);

-- Customers who bought for more than a thousand in each of the last twelve months, what they
-- bought most, and how that compares with the year before.
SELECT
    c.id,
    c.name,
    m.months,
    m.spent,
    p.spent AS spent_before,
    round(100.0 * (m.spent - p.spent) / nullif(p.spent, 0), 1) AS change_percent,
    f.sku AS favourite,
    f.n AS favourite_count
FROM shop.customers AS c
JOIN (
    SELECT
        o.customer_id,
        count(DISTINCT date_trunc('month', o.changed_at)) AS months,
        sum(t.total) AS spent
    FROM shop.orders AS o
    JOIN shop.totals AS t ON t.id = o.id
    WHERE o.changed_at >= now() - interval '12 months'
        AND o.state IN ('paid', 'sent')
    GROUP BY o.customer_id
    HAVING sum(t.total) > 12000
) AS m ON m.customer_id = c.id
LEFT JOIN (
    SELECT
        o.customer_id,
        sum(t.total) AS spent
    FROM shop.orders AS o
    JOIN shop.totals AS t ON t.id = o.id
    WHERE o.changed_at < now() - interval '12 months'
        AND o.changed_at >= now() - interval '24 months'
        AND o.state IN ('paid', 'sent')
    GROUP BY o.customer_id
) AS p ON p.customer_id = c.id
LEFT JOIN (
    SELECT DISTINCT ON (o.customer_id)
        o.customer_id,
        oi.sku,
        count(*) AS n
    FROM shop.orders AS o
    JOIN shop.order_items AS oi ON oi.order_id = o.id
    GROUP BY o.customer_id, oi.sku
    ORDER BY o.customer_id, count(*) DESC
) AS f ON f.customer_id = c.id
WHERE m.months = 12
    AND c.blocked_at IS NULL
ORDER BY m.spent DESC, c.name
LIMIT 50;
