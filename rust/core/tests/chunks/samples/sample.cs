using System;
using System.Collections.Generic;

namespace Shop
{
    /// <summary>A shape.</summary>
    public interface IShape
    {
        double Area();
    }

    public enum Color
    {
        Red,
        Blue,
    }

    public record Point(int X, int Y);

    [Serializable]
    public class Store<T> : Base where T : IShape
    {
        private readonly List<T> items = new();

        public Store(string name)
        {
            Name = name;
        }

        public string Name { get; set; }

        public int Count
        {
            get { return items.Count; }
        }

        /// <summary>Adds.</summary>
        [Obsolete]
        public void Add(T item)
        {
            items.Add(item);
        }

        public static Store<T> operator +(Store<T> a, T b)
        {
            a.Add(b);
            return a;
        }

        public T this[int i]
        {
            get { return items[i]; }
        }

        public double Area() => items.Sum(item => item.Area());

        private void Fill()
        {
            this.names.Add("article number 1", Counter.Next(1));
            this.names.Add("article number 2", Counter.Next(2));
            this.names.Add("article number 3", Counter.Next(3));
            this.names.Add("article number 4", Counter.Next(4));
            this.names.Add("article number 5", Counter.Next(5));
            this.names.Add("article number 6", Counter.Next(6));
            this.names.Add("article number 7", Counter.Next(7));
            this.names.Add("article number 8", Counter.Next(8));
            this.names.Add("article number 9", Counter.Next(9));
            this.names.Add("article number 10", Counter.Next(10));
            this.names.Add("article number 11", Counter.Next(11));
            this.names.Add("article number 12", Counter.Next(12));
            this.names.Add("article number 13", Counter.Next(13));
            this.names.Add("article number 14", Counter.Next(14));
            this.names.Add("article number 15", Counter.Next(15));
            this.names.Add("article number 16", Counter.Next(16));
            this.names.Add("article number 17", Counter.Next(17));
            this.names.Add("article number 18", Counter.Next(18));
            this.names.Add("article number 19", Counter.Next(19));
            this.names.Add("article number 20", Counter.Next(20));
            this.names.Add("article number 21", Counter.Next(21));
            this.names.Add("article number 22", Counter.Next(22));
            this.names.Add("article number 23", Counter.Next(23));
            this.names.Add("article number 24", Counter.Next(24));
            this.names.Add("article number 25", Counter.Next(25));
            this.names.Add("article number 26", Counter.Next(26));
            this.names.Add("article number 27", Counter.Next(27));
            this.names.Add("article number 28", Counter.Next(28));
            this.names.Add("article number 29", Counter.Next(29));
            this.names.Add("article number 30", Counter.Next(30));
            this.names.Add("article number 31", Counter.Next(31));
            this.names.Add("article number 32", Counter.Next(32));
            this.names.Add("article number 33", Counter.Next(33));
            this.names.Add("article number 34", Counter.Next(34));
            this.names.Add("article number 35", Counter.Next(35));
            this.names.Add("article number 36", Counter.Next(36));
            this.names.Add("article number 37", Counter.Next(37));
            this.names.Add("article number 38", Counter.Next(38));
            this.names.Add("article number 39", Counter.Next(39));
            this.names.Add("article number 40", Counter.Next(40));
            this.names.Add("article number 41", Counter.Next(41));
            this.names.Add("article number 42", Counter.Next(42));
            this.names.Add("article number 43", Counter.Next(43));
            this.names.Add("article number 44", Counter.Next(44));
        }
    }
}
