//! Expressions as people type them, as Python reads them, and what Python makes of them.

use crate::{Rng, python};

/// A number as Python holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    pub fn parse(text: &str) -> Number {
        match text.parse() {
            Ok(n) => Number::Int(n),
            Err(_) => Number::Float(super::value(text)),
        }
    }

    pub fn float(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Float(x) => x,
        }
    }

    /// As `print` writes it.
    pub fn print(self) -> String {
        match self {
            Number::Int(n) => n.to_string(),
            Number::Float(x) => python::float(x),
        }
    }

    /// `round(self, places)`.
    pub fn round(self, places: usize) -> Number {
        match self {
            Number::Int(n) => Number::Int(n),
            Number::Float(x) => Number::Float(super::value(&format!("{x:.places$}"))),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl Op {
    fn rank(self) -> u8 {
        match self {
            Op::Add | Op::Subtract => 1,
            Op::Multiply | Op::Divide => 2,
            Op::Power => 3,
        }
    }

    pub fn python(self) -> &'static str {
        match self {
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
            Op::Power => "**",
        }
    }

    /// `None` where Python raises, or where the result is too large to be asked for.
    pub fn apply(self, a: Number, b: Number) -> Option<Number> {
        use Number::{Float, Int};
        let small = |n: i128| n.unsigned_abs() < 1 << 53;
        let result = match (self, a, b) {
            (Op::Add, Int(a), Int(b)) => Int(a.checked_add(b)?),
            (Op::Subtract, Int(a), Int(b)) => Int(a.checked_sub(b)?),
            (Op::Multiply, Int(a), Int(b)) => Int(a.checked_mul(b)?),
            (Op::Divide, Int(a), Int(b)) => {
                if b == 0 || !small(a) || !small(b) {
                    return None;
                }
                Float(a as f64 / b as f64)
            }
            (Op::Power, Int(a), Int(b)) if b >= 0 => Int(a.checked_pow(u32::try_from(b).ok()?)?),
            (Op::Power, a, b) => Float(a.float().powf(b.float())),
            (Op::Divide, a, b) => {
                if b.float() == 0.0 {
                    return None;
                }
                Float(a.float() / b.float())
            }
            (Op::Add, a, b) => Float(a.float() + b.float()),
            (Op::Subtract, a, b) => Float(a.float() - b.float()),
            (Op::Multiply, a, b) => Float(a.float() * b.float()),
        };
        match result {
            Float(x) if !x.is_finite() || x.abs() >= 1e9 || (x != 0.0 && x.abs() < 1e-3) => None,
            result => Some(result),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(String),
    Of(Op, Box<Expression>, Box<Expression>),
}

/// How somebody types: which signs, and with how much space.
pub(super) struct Hand {
    times: &'static str,
    over: &'static str,
    power: &'static str,
    space: &'static str,
}

impl Hand {
    pub fn draw(rng: &mut Rng) -> Hand {
        Hand {
            times: rng.pick::<&str>(&["*", "*", "×", "×", "x", "·"]),
            over: rng.pick::<&str>(&["/", "/", "÷", "÷", ":"]),
            power: rng.pick::<&str>(&["^", "^", "**"]),
            space: if rng.chance(0.7) { " " } else { "" },
        }
    }

    /// A hand that never writes `**`, which would read as bold in a reply.
    pub fn without_stars(rng: &mut Rng) -> Hand {
        let mut hand = Hand::draw(rng);
        hand.power = "^";
        if hand.times == "*" {
            hand.times = "×";
        }
        hand
    }
}

impl Expression {
    pub fn of(op: Op, a: Expression, b: Expression) -> Expression {
        Expression::Of(op, Box::new(a), Box::new(b))
    }

    /// A tree over `leaves` numbers. `decimals` allows numbers like 2.5, `division` allows `/`.
    pub fn draw(rng: &mut Rng, leaves: usize, decimals: bool, division: bool) -> Expression {
        if leaves <= 1 {
            let text = match rng.below(100) {
                0..=11 if decimals => super::decimal(rng, 2),
                12..=17 => (-rng.magnitude(2)).to_string(),
                _ => rng.magnitude(if leaves == 0 { 1 } else { 3 }).to_string(),
            };
            return Expression::Number(text);
        }
        let op = match rng.below(if division { 20 } else { 16 }) {
            0..=4 => Op::Add,
            5..=8 => Op::Subtract,
            9..=13 => Op::Multiply,
            14..=15 => Op::Power,
            _ => Op::Divide,
        };
        let left = rng.int(1, leaves as i64 - 1) as usize;
        match op {
            Op::Power => {
                let base = Expression::draw(rng, leaves - 1, false, false);
                let base = match base {
                    Expression::Number(_) => Expression::Number(rng.int(2, 30).to_string()),
                    Expression::Of(Op::Power, ..) => return base,
                    base => base,
                };
                let exponent = *rng.pick(&[2, 2, 2, 3, 3, 4, 5]);
                Expression::of(Op::Power, base, Expression::Number(exponent.to_string()))
            }
            Op::Divide if rng.chance(0.6) => {
                let divisor = Expression::Number(rng.int(2, 25).to_string());
                Expression::of(op, Expression::draw(rng, leaves - 1, decimals, division), divisor)
            }
            _ => Expression::of(
                op,
                Expression::draw(rng, left, decimals, division),
                Expression::draw(rng, leaves - left, decimals, division),
            ),
        }
    }

    /// `true` for one operation on one-digit numbers: the kind `arithmetic/easy` asks these.
    pub fn is_easy(&self) -> bool {
        let one_digit = |e: &Expression| matches!(e, Expression::Number(n) if n.len() == 1);
        match self {
            Expression::Of(Op::Add | Op::Subtract | Op::Multiply, a, b) => {
                one_digit(a) && one_digit(b)
            }
            _ => false,
        }
    }

    pub fn value(&self) -> Option<Number> {
        match self {
            Expression::Number(n) => Some(Number::parse(n)),
            Expression::Of(op, a, b) => op.apply(a.value()?, b.value()?),
        }
    }

    /// `true` when Python makes a float of it.
    pub fn is_float(&self) -> bool {
        match self {
            Expression::Number(n) => super::is_decimal(n),
            Expression::Of(op, a, b) => *op == Op::Divide || a.is_float() || b.is_float(),
        }
    }

    /// `true` when no difference in it is negative: "the difference between 3 and 5" would leave
    /// its sign open.
    pub fn no_negative_difference(&self) -> bool {
        let Expression::Of(op, a, b) = self else { return true };
        (*op != Op::Subtract || self.value().is_some_and(|x| x.float() >= 0.0))
            && a.no_negative_difference()
            && b.no_negative_difference()
    }

    pub fn python(&self) -> String {
        self.write(&|op| format!(" {} ", op.python()), true)
    }

    pub fn surface(&self, hand: &Hand) -> String {
        let space = hand.space;
        self.write(
            &|op| match op {
                Op::Multiply => format!("{space}{}{space}", hand.times),
                Op::Divide => format!("{space}{}{space}", hand.over),
                Op::Power => hand.power.to_owned(),
                _ => format!("{space}{}{space}", op.python()),
            },
            true,
        )
    }

    /// With brackets where the tree needs them, and around a negative number that is not first.
    fn write(&self, sign: &dyn Fn(Op) -> String, first: bool) -> String {
        let (op, a, b) = match self {
            Expression::Number(n) if n.starts_with('-') && !first => return format!("({n})"),
            Expression::Number(n) => return n.clone(),
            Expression::Of(op, a, b) => (*op, a, b),
        };
        let side = |e: &Expression, right: bool| {
            let bracket = match e {
                Expression::Of(inner, ..) => {
                    inner.rank() < op.rank() || (inner.rank() == op.rank() && right)
                }
                Expression::Number(_) => false,
            };
            if bracket {
                format!("({})", e.write(sign, true))
            } else {
                e.write(sign, first && !right && op != Op::Power)
            }
        };
        format!("{}{}{}", side(a, false), sign(op), side(b, true))
    }

    /// The call that prints the value, and what it prints: rounded to six places when it is a float.
    pub fn call(&self) -> Option<(String, String)> {
        let value = self.value()?;
        Some(if self.is_float() {
            let output = value.round(super::PLACES).print();
            (format!("print(round({}, {}))", self.python(), super::PLACES), output)
        } else {
            (format!("print({})", self.python()), value.print())
        })
    }
}
