//! Headers of a record: written for others to read, deciding nothing here.

use std::sync::Arc;

use bytes::Bytes;

/// The name of the header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the header that repeats the trace id in plain hexadecimal digits.
pub const TRACE_ID: &str = "trace_id";

/// One header: a name and a value, both raw, since brokers promise no encoding for either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name; not always UTF-8.
    pub name: Bytes,
    /// The value; `None` is a null value, which is not an empty one.
    pub value: Option<Bytes>,
}

/// The headers of one record, in their order. Empty ones take no memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<[Header]>>);

impl Headers {
    /// Headers from a list, in its order.
    #[must_use]
    pub fn new(headers: Vec<Header>) -> Self {
        if headers.is_empty() { Self(None) } else { Self(Some(headers.into())) }
    }

    /// All headers, in their order.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[Header] {
        self.0.as_deref().unwrap_or(&[])
    }

    /// The value of the last header of that name, as Kafka's clients read it.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Bytes> {
        self.as_slice()
            .iter()
            .rev()
            .find(|header| header.name == name.as_bytes())
            .and_then(|header| header.value.as_ref())
    }

    /// The bytes that they hold against a budget.
    #[must_use]
    #[inline]
    pub fn size(&self) -> usize {
        self.as_slice()
            .iter()
            .map(|header| header.name.len() + header.value.as_ref().map_or(0, Bytes::len))
            .sum()
    }
}

impl<const N: usize> From<[Header; N]> for Headers {
    fn from(headers: [Header; N]) -> Self {
        if N == 0 { Self(None) } else { Self(Some(Arc::new(headers))) }
    }
}

impl<N: Into<Bytes>, V: Into<Bytes>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self::new(
            headers
                .into_iter()
                .map(|(name, value)| Header { name: name.into(), value: Some(value.into()) })
                .collect(),
        )
    }
}
