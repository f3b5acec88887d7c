// JSON for the Gameye kits, so that they need no package: what a stranger sent is read strictly, or not at all.
// C# 7, .NET Standard 2.0, Unity, Mono.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Gameye
{
    /// <summary>
    /// Objects are Dictionary&lt;string, object&gt;, lists List&lt;object&gt;, numbers double, and the rest string, bool and null.
    /// Writing also takes other dictionaries with text keys, other collections and all numbers.
    /// </summary>
    public static class Json
    {
        private const int DeepestLevel = 64;

        /// <summary>The object that a text is; null when it is anything else.</summary>
        public static Dictionary<string, object> ObjectIn(string text)
        {
            try
            {
                var reader = new Reader(text);
                var value = reader.Value(0);
                return reader.IsAtEnd() ? value as Dictionary<string, object> : null;
            }
            catch (FormatException)
            {
                return null;
            }
        }

        public static string Write(object value)
        {
            var text = new StringBuilder();
            Append(text, value, 0);
            return text.ToString();
        }

        /// <summary>A field of an object: the value when it is of this type, else the type's default.</summary>
        public static T Field<T>(IDictionary<string, object> fields, string name)
        {
            object value;
            return fields != null && fields.TryGetValue(name, out value) && value is T ? (T)value : default(T);
        }

        private static void Append(StringBuilder text, object value, int level)
        {
            if (level > DeepestLevel) throw new ArgumentException("This is too deep for JSON, or it contains itself.");
            if (value == null) text.Append("null");
            else if (value is string) AppendText(text, (string)value);
            else if (value is bool) text.Append((bool)value ? "true" : "false");
            else if (value is IDictionary) AppendObject(text, (IDictionary)value, level);
            else if (value is IEnumerable) AppendList(text, (IEnumerable)value, level);
            else text.Append(NumberText(value));
        }

        private static void AppendObject(StringBuilder text, IDictionary value, int level)
        {
            text.Append('{');
            var separator = "";
            foreach (DictionaryEntry field in value)
            {
                if (!(field.Key is string)) throw new ArgumentException("The names in a JSON object are texts.");
                text.Append(separator);
                AppendText(text, (string)field.Key);
                text.Append(':');
                Append(text, field.Value, level + 1);
                separator = ",";
            }
            text.Append('}');
        }

        private static void AppendList(StringBuilder text, IEnumerable value, int level)
        {
            text.Append('[');
            var separator = "";
            foreach (var item in value)
            {
                text.Append(separator);
                Append(text, item, level + 1);
                separator = ",";
            }
            text.Append(']');
        }

        private static void AppendText(StringBuilder text, string value)
        {
            text.Append('"');
            foreach (var letter in value)
            {
                if (letter == '"' || letter == '\\') text.Append('\\').Append(letter);
                else if (letter < ' ' || char.IsSurrogate(letter)) text.Append("\\u").Append(((int)letter).ToString("x4"));
                else text.Append(letter);
            }
            text.Append('"');
        }

        private static string NumberText(object value)
        {
            if (value is double || value is float)
            {
                var number = Convert.ToDouble(value);
                if (double.IsNaN(number) || double.IsInfinity(number)) throw new ArgumentException("JSON has no such number.");
                return ((IFormattable)value).ToString("R", CultureInfo.InvariantCulture);
            }
            if (value is Enum || !(value is IConvertible) || !(value is IFormattable) || value is DateTime)
                throw new ArgumentException("JSON has no " + value.GetType().Name + ".");
            return ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture);
        }

        private sealed class Reader
        {
            private readonly string text;
            private int at;

            public Reader(string text)
            {
                this.text = text ?? "";
            }

            public bool IsAtEnd()
            {
                SkipBlanks();
                return at == text.Length;
            }

            public object Value(int level)
            {
                if (level > DeepestLevel) throw new FormatException();
                SkipBlanks();
                switch (Peek())
                {
                    case '{': return Object(level);
                    case '[': return List(level);
                    case '"': return Text();
                    case 't': return Word("true", true);
                    case 'f': return Word("false", false);
                    case 'n': return Word("null", null);
                    default: return Number();
                }
            }

            private Dictionary<string, object> Object(int level)
            {
                var fields = new Dictionary<string, object>();
                at++;
                SkipBlanks();
                if (Took('}')) return fields;
                do
                {
                    SkipBlanks();
                    var name = Text();
                    SkipBlanks();
                    Take(':');
                    fields[name] = Value(level + 1);
                    SkipBlanks();
                } while (Took(','));
                Take('}');
                return fields;
            }

            private List<object> List(int level)
            {
                var items = new List<object>();
                at++;
                SkipBlanks();
                if (Took(']')) return items;
                do
                {
                    items.Add(Value(level + 1));
                    SkipBlanks();
                } while (Took(','));
                Take(']');
                return items;
            }

            private string Text()
            {
                Take('"');
                var value = new StringBuilder();
                while (!Took('"'))
                {
                    var letter = Peek();
                    if (letter < ' ') throw new FormatException(); // Also at the end of the text.
                    at++;
                    value.Append(letter == '\\' ? Escaped() : letter);
                }
                return value.ToString();
            }

            private char Escaped()
            {
                var letter = Peek();
                at++;
                switch (letter)
                {
                    case '"': case '\\': case '/': return letter;
                    case 'b': return '\b';
                    case 'f': return '\f';
                    case 'n': return '\n';
                    case 'r': return '\r';
                    case 't': return '\t';
                    case 'u': return Unit();
                    default: throw new FormatException();
                }
            }

            private char Unit()
            {
                var unit = 0;
                for (var i = 0; i < 4; i++)
                {
                    var digit = "0123456789abcdef".IndexOf(char.ToLowerInvariant(Peek()));
                    if (digit < 0 || Peek() > 'f') throw new FormatException();
                    unit = unit * 16 + digit;
                    at++;
                }
                return (char)unit;
            }

            private object Word(string word, object value)
            {
                if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw new FormatException();
                at += word.Length;
                return value;
            }

            private double Number()
            {
                var start = at;
                Took('-');
                if (!Took('0')) Digits();
                if (Took('.')) Digits();
                if (Took('e') || Took('E'))
                {
                    if (!Took('+')) Took('-');
                    Digits();
                }
                try
                {
                    return double.Parse(text.Substring(start, at - start), NumberStyles.Float, CultureInfo.InvariantCulture);
                }
                catch (OverflowException)
                {
                    return text[start] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
                }
            }

            private void Digits()
            {
                if (Peek() < '0' || Peek() > '9') throw new FormatException();
                while (Peek() >= '0' && Peek() <= '9') at++;
            }

            /// <summary>The next character; NUL at the end, which JSON allows nowhere.</summary>
            private char Peek()
            {
                return at < text.Length ? text[at] : '\0';
            }

            private bool Took(char letter)
            {
                if (Peek() != letter) return false;
                at++;
                return true;
            }

            private void Take(char letter)
            {
                if (!Took(letter)) throw new FormatException();
            }

            private void SkipBlanks()
            {
                while (Peek() == ' ' || Peek() == '\t' || Peek() == '\r' || Peek() == '\n') at++;
            }
        }
    }
}
