//! HTTP: metrics, JSON API, birdwatcher API, looking glass.
