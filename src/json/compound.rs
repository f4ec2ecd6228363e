//! Lists and objects, member by member.

use serde::ser::{self, Serialize};

use super::{Error, RAW, Writer, append, not_ours, string};

/// A list or an object that has been begun.
pub(super) struct Compound<'a> {
    out: &'a mut Vec<u8>,
    kind: Kind,
    first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Object,
    /// The content of an enum's variant, in an object of its own.
    Variant(u8),
    /// JSON that somebody else has written.
    Raw,
}

impl<'a> Compound<'a> {
    pub(super) fn list(out: &'a mut Vec<u8>) -> Self {
        out.push(b'[');
        Self {
            out,
            kind: Kind::List,
            first: true,
        }
    }

    pub(super) fn object(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            kind: Kind::Object,
            first: true,
        }
    }

    /// The content of a variant, a list or an object: `{"Variant":` comes before it.
    pub(super) fn variant(out: &'a mut Vec<u8>, variant: &str, open: u8, close: u8) -> Self {
        out.push(b'{');
        string(out, variant);
        out.extend_from_slice(&[b':', open]);
        Self {
            out,
            kind: Kind::Variant(close),
            first: true,
        }
    }

    pub(super) fn raw(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            kind: Kind::Raw,
            first: true,
        }
    }

    fn next(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        append(self.out, value)
    }

    fn finish(self) -> Result<(), Error> {
        match self.kind {
            Kind::List => self.out.push(b']'),
            Kind::Object => self.out.push(b'}'),
            Kind::Variant(close) => self.out.extend_from_slice(&[close, b'}']),
            Kind::Raw => {}
        }
        Ok(())
    }
}

impl ser::SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.next();
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        ser::SerializeStruct::serialize_field(self, name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.next();
        let begin = self.out.len();
        self.value(key)?;
        match self.out.get(begin) {
            Some(b'"') => Ok(()),
            // Numbers are keys as strings.
            Some(b'-' | b'0'..=b'9') => {
                self.out.insert(begin, b'"');
                self.out.push(b'"');
                Ok(())
            }
            _ => Err(not_ours("a key that is neither a string nor a number")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if self.kind == Kind::Raw {
            return match name {
                RAW => value.serialize(Writer::raw(self.out)),
                _ => Err(not_ours(name)),
            };
        }
        self.next();
        super::name(self.out, name);
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
