<?php

namespace App\Shop;

use App\Base;
use App\Contracts\Shape;

const LIMIT = 10;

interface Named
{
    public function name(): string;
}

trait Counts
{
    public function count(): int
    {
        return count($this->items);
    }
}

enum Color: string
{
    case Red = 'red';
    case Blue = 'blue';
}

/**
 * Adds up.
 */
function total(array $items): int
{
    return array_sum($items);
}

#[Entity]
final class Store extends Base implements Named
{
    use Counts;

    private array $items = [];

    public function __construct(private string $name)
    {
    }

    /** The name. */
    public function name(): string
    {
        return $this->name;
    }

    public function fill(): void
    {
        $this->items["article number 1"] = $this->next(1);
        $this->items["article number 2"] = $this->next(2);
        $this->items["article number 3"] = $this->next(3);
        $this->items["article number 4"] = $this->next(4);
        $this->items["article number 5"] = $this->next(5);
        $this->items["article number 6"] = $this->next(6);
        $this->items["article number 7"] = $this->next(7);
        $this->items["article number 8"] = $this->next(8);
        $this->items["article number 9"] = $this->next(9);
        $this->items["article number 10"] = $this->next(10);
        $this->items["article number 11"] = $this->next(11);
        $this->items["article number 12"] = $this->next(12);
        $this->items["article number 13"] = $this->next(13);
        $this->items["article number 14"] = $this->next(14);
        $this->items["article number 15"] = $this->next(15);
        $this->items["article number 16"] = $this->next(16);
        $this->items["article number 17"] = $this->next(17);
        $this->items["article number 18"] = $this->next(18);
        $this->items["article number 19"] = $this->next(19);
        $this->items["article number 20"] = $this->next(20);
        $this->items["article number 21"] = $this->next(21);
        $this->items["article number 22"] = $this->next(22);
        $this->items["article number 23"] = $this->next(23);
        $this->items["article number 24"] = $this->next(24);
        $this->items["article number 25"] = $this->next(25);
        $this->items["article number 26"] = $this->next(26);
        $this->items["article number 27"] = $this->next(27);
        $this->items["article number 28"] = $this->next(28);
        $this->items["article number 29"] = $this->next(29);
        $this->items["article number 30"] = $this->next(30);
        $this->items["article number 31"] = $this->next(31);
        $this->items["article number 32"] = $this->next(32);
        $this->items["article number 33"] = $this->next(33);
        $this->items["article number 34"] = $this->next(34);
        $this->items["article number 35"] = $this->next(35);
        $this->items["article number 36"] = $this->next(36);
        $this->items["article number 37"] = $this->next(37);
        $this->items["article number 38"] = $this->next(38);
        $this->items["article number 39"] = $this->next(39);
        $this->items["article number 40"] = $this->next(40);
        $this->items["article number 41"] = $this->next(41);
        $this->items["article number 42"] = $this->next(42);
        $this->items["article number 43"] = $this->next(43);
        $this->items["article number 44"] = $this->next(44);
    }
}
