import fs from "fs";
import { join } from "path";

const limit = 10;

/**
 * Reads a file.
 */
export function read(path) {
  return fs.readFileSync(path);
}

// Joined by a slash.
export const joined = (a, b) => {
  return join(a, b);
};

export default class Small extends Base {
  run() {}
}


export interface Shape {
  name: string;
  area(): number;
}

type Pair = [number, number];

export enum Color {
  Red = "red",
  Blue = "blue",
}

declare module "shapes" {
  export function make(kind: string): Shape;
}

namespace Geometry {
  export function origin(): Pair {
    return [0, 0];
  }
}

@Component({ selector: "app" })
export class Canvas<T extends Shape> {
  private shapes: T[] = [];

  @Input() title = "a canvas of shapes";

  constructor(private readonly size: number) {}

  @Log()
  add(shape: T): void {
    this.shapes.push(shape);
  }

  onClick = (event: MouseEvent): void => {
    this.select(event.target);
  };

  draw(): void {
    this.context.fillRect(1, 1, this.size, this.size);
    this.context.fillRect(2, 2, this.size, this.size);
    this.context.fillRect(3, 3, this.size, this.size);
    this.context.fillRect(4, 4, this.size, this.size);
    this.context.fillRect(5, 5, this.size, this.size);
    this.context.fillRect(6, 6, this.size, this.size);
    this.context.fillRect(7, 7, this.size, this.size);
    this.context.fillRect(8, 8, this.size, this.size);
    this.context.fillRect(9, 9, this.size, this.size);
    this.context.fillRect(10, 10, this.size, this.size);
    this.context.fillRect(11, 11, this.size, this.size);
    this.context.fillRect(12, 12, this.size, this.size);
    this.context.fillRect(13, 13, this.size, this.size);
    this.context.fillRect(14, 14, this.size, this.size);
    this.context.fillRect(15, 15, this.size, this.size);
    this.context.fillRect(16, 16, this.size, this.size);
    this.context.fillRect(17, 17, this.size, this.size);
    this.context.fillRect(18, 18, this.size, this.size);
    this.context.fillRect(19, 19, this.size, this.size);
    this.context.fillRect(20, 20, this.size, this.size);
    this.context.fillRect(21, 21, this.size, this.size);
    this.context.fillRect(22, 22, this.size, this.size);
    this.context.fillRect(23, 23, this.size, this.size);
    this.context.fillRect(24, 24, this.size, this.size);
    this.context.fillRect(25, 25, this.size, this.size);
    this.context.fillRect(26, 26, this.size, this.size);
    this.context.fillRect(27, 27, this.size, this.size);
    this.context.fillRect(28, 28, this.size, this.size);
    this.context.fillRect(29, 29, this.size, this.size);
    this.context.fillRect(30, 30, this.size, this.size);
    this.context.fillRect(31, 31, this.size, this.size);
    this.context.fillRect(32, 32, this.size, this.size);
    this.context.fillRect(33, 33, this.size, this.size);
    this.context.fillRect(34, 34, this.size, this.size);
    this.context.fillRect(35, 35, this.size, this.size);
    this.context.fillRect(36, 36, this.size, this.size);
    this.context.fillRect(37, 37, this.size, this.size);
    this.context.fillRect(38, 38, this.size, this.size);
    this.context.fillRect(39, 39, this.size, this.size);
    this.context.fillRect(40, 40, this.size, this.size);
    this.context.fillRect(41, 41, this.size, this.size);
    this.context.fillRect(42, 42, this.size, this.size);
    this.context.fillRect(43, 43, this.size, this.size);
    this.context.fillRect(44, 44, this.size, this.size);
  }
}

abstract class Tool {
  abstract use(): void;
}
