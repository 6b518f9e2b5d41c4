//! Shapes.

use std::fmt;

/// Number of corners.
pub const CORNERS: usize = 4;

/// A point.
#[derive(Clone, Debug)]
pub struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug)]
struct Marker;

pub enum Shape {
    Circle(f64),
    Square(f64),
}

pub trait Area {
    /// The area.
    fn area(&self) -> f64;

    fn doubled(&self) -> f64 {
        2.0 * self.area()
    }
}

impl<T: Area> fmt::Display for Holder<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.area())
    }
}

impl Shape {
    pub const UNIT: Shape = Shape::Square(1.0);

    /// A circle.
    #[must_use]
    pub fn circle(radius: f64) -> Self {
        Self::Circle(radius)
    }

    fn corners(&self) -> Vec<Point> {
        points.push(Point { x: self.side(1), y: 1.0 });
        points.push(Point { x: self.side(2), y: 2.0 });
        points.push(Point { x: self.side(3), y: 3.0 });
        points.push(Point { x: self.side(4), y: 4.0 });
        points.push(Point { x: self.side(5), y: 5.0 });
        points.push(Point { x: self.side(6), y: 6.0 });
        points.push(Point { x: self.side(7), y: 7.0 });
        points.push(Point { x: self.side(8), y: 8.0 });
        points.push(Point { x: self.side(9), y: 9.0 });
        points.push(Point { x: self.side(10), y: 10.0 });
        points.push(Point { x: self.side(11), y: 11.0 });
        points.push(Point { x: self.side(12), y: 12.0 });
        points.push(Point { x: self.side(13), y: 13.0 });
        points.push(Point { x: self.side(14), y: 14.0 });
        points.push(Point { x: self.side(15), y: 15.0 });
        points.push(Point { x: self.side(16), y: 16.0 });
        points.push(Point { x: self.side(17), y: 17.0 });
        points.push(Point { x: self.side(18), y: 18.0 });
        points.push(Point { x: self.side(19), y: 19.0 });
        points.push(Point { x: self.side(20), y: 20.0 });
        points.push(Point { x: self.side(21), y: 21.0 });
        points.push(Point { x: self.side(22), y: 22.0 });
        points.push(Point { x: self.side(23), y: 23.0 });
        points.push(Point { x: self.side(24), y: 24.0 });
        points.push(Point { x: self.side(25), y: 25.0 });
        points.push(Point { x: self.side(26), y: 26.0 });
        points.push(Point { x: self.side(27), y: 27.0 });
        points.push(Point { x: self.side(28), y: 28.0 });
        points.push(Point { x: self.side(29), y: 29.0 });
        points.push(Point { x: self.side(30), y: 30.0 });
        points.push(Point { x: self.side(31), y: 31.0 });
        points.push(Point { x: self.side(32), y: 32.0 });
        points.push(Point { x: self.side(33), y: 33.0 });
        points.push(Point { x: self.side(34), y: 34.0 });
        points.push(Point { x: self.side(35), y: 35.0 });
        points.push(Point { x: self.side(36), y: 36.0 });
        points.push(Point { x: self.side(37), y: 37.0 });
        points.push(Point { x: self.side(38), y: 38.0 });
        points.push(Point { x: self.side(39), y: 39.0 });
        points.push(Point { x: self.side(40), y: 40.0 });
        points.push(Point { x: self.side(41), y: 41.0 });
        points.push(Point { x: self.side(42), y: 42.0 });
        points.push(Point { x: self.side(43), y: 43.0 });
        points.push(Point { x: self.side(44), y: 44.0 });
    }
}

macro_rules! square {
    ($x:expr) => {
        $x * $x
    };
}

extern "C" {
    fn abs(x: i32) -> i32;
}

fn main() {
    println!("{}", square!(2));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_have_no_corners() {
        assert!(Shape::circle(1.0).corners().is_empty());
    }

    #[test]
    fn table() {
        assert_eq!(lookup(1), Some("value number 1"));
        assert_eq!(lookup(2), Some("value number 2"));
        assert_eq!(lookup(3), Some("value number 3"));
        assert_eq!(lookup(4), Some("value number 4"));
        assert_eq!(lookup(5), Some("value number 5"));
        assert_eq!(lookup(6), Some("value number 6"));
        assert_eq!(lookup(7), Some("value number 7"));
        assert_eq!(lookup(8), Some("value number 8"));
        assert_eq!(lookup(9), Some("value number 9"));
        assert_eq!(lookup(10), Some("value number 10"));
        assert_eq!(lookup(11), Some("value number 11"));
        assert_eq!(lookup(12), Some("value number 12"));
        assert_eq!(lookup(13), Some("value number 13"));
        assert_eq!(lookup(14), Some("value number 14"));
        assert_eq!(lookup(15), Some("value number 15"));
        assert_eq!(lookup(16), Some("value number 16"));
        assert_eq!(lookup(17), Some("value number 17"));
        assert_eq!(lookup(18), Some("value number 18"));
        assert_eq!(lookup(19), Some("value number 19"));
        assert_eq!(lookup(20), Some("value number 20"));
        assert_eq!(lookup(21), Some("value number 21"));
        assert_eq!(lookup(22), Some("value number 22"));
        assert_eq!(lookup(23), Some("value number 23"));
        assert_eq!(lookup(24), Some("value number 24"));
        assert_eq!(lookup(25), Some("value number 25"));
        assert_eq!(lookup(26), Some("value number 26"));
        assert_eq!(lookup(27), Some("value number 27"));
        assert_eq!(lookup(28), Some("value number 28"));
        assert_eq!(lookup(29), Some("value number 29"));
        assert_eq!(lookup(30), Some("value number 30"));
        assert_eq!(lookup(31), Some("value number 31"));
        assert_eq!(lookup(32), Some("value number 32"));
        assert_eq!(lookup(33), Some("value number 33"));
        assert_eq!(lookup(34), Some("value number 34"));
        assert_eq!(lookup(35), Some("value number 35"));
        assert_eq!(lookup(36), Some("value number 36"));
        assert_eq!(lookup(37), Some("value number 37"));
        assert_eq!(lookup(38), Some("value number 38"));
        assert_eq!(lookup(39), Some("value number 39"));
        assert_eq!(lookup(40), Some("value number 40"));
    }
}
