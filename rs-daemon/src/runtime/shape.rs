//! How times and per-family pairs look in JSON: RFC 3339 text, and objects with the names
//! `ipv4` and `ipv6`.

/// `SystemTime` as RFC 3339.
pub(super) mod time {
    use std::time::SystemTime;

    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::runtime) fn serialize<S: Serializer>(
        at: &SystemTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Timestamp::try_from(*at).map_err(serde::ser::Error::custom)?.serialize(to)
    }

    pub(in crate::runtime) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<SystemTime, D::Error> {
        Timestamp::deserialize(from).map(SystemTime::from)
    }
}

/// `Option<SystemTime>` as RFC 3339 or null.
pub(super) mod maybe_time {
    use std::time::SystemTime;

    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives a reference")]
    pub(in crate::runtime) fn serialize<S: Serializer>(
        at: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::try_from).transpose().map_err(serde::ser::Error::custom)?.serialize(to)
    }

    pub(in crate::runtime) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<Timestamp>::deserialize(from)?.map(SystemTime::from))
    }
}

/// `[IPv4, IPv6]` as an object.
pub(super) mod by_family {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct Borrowed<'a, T> {
        ipv4: &'a T,
        ipv6: &'a T,
    }

    #[derive(Deserialize)]
    struct Owned<T> {
        ipv4: T,
        ipv6: T,
    }

    pub(in crate::runtime) fn serialize<T: Serialize, S: Serializer>(
        [ipv4, ipv6]: &[T; 2],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Borrowed { ipv4, ipv6 }.serialize(to)
    }

    pub(in crate::runtime) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[T; 2], D::Error> {
        let Owned { ipv4, ipv6 } = Owned::deserialize(from)?;
        Ok([ipv4, ipv6])
    }
}
