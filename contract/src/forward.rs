//! Forwarding of trait methods, for a store that wraps another store.

/// Generates methods of [`Lifecycle`](crate::Lifecycle), [`KeyValueBackend`](crate::keyvalue::KeyValueBackend) or
/// [`TimeSeriesBackend`](crate::timeseries::TimeSeriesBackend) that call the same method of the inner store, so that a wrapper
/// implements only the methods that it changes.
///
/// Each method is listed: with default forwarding, a wrapper could miss a method that it must change.
///
/// ```
/// use async_trait::async_trait;
/// use prism_contract::keyvalue::{Delete, Get, KeyValueBackend, Memory, Put, PutResult};
/// use prism_contract::{Error, Lifecycle, forward};
///
/// /// A store that refuses writes.
/// struct ReadOnly(Memory);
///
/// impl Lifecycle for ReadOnly {
///     forward!(Lifecycle: self => self.0, [check, sweep, close]);
/// }
///
/// #[async_trait]
/// impl KeyValueBackend for ReadOnly {
///     forward!(KeyValueBackend: self => self.0, [capabilities, get, scan]);
///
///     async fn put(&self, _: Put) -> Result<Vec<PutResult>, Error> {
///         Err(Error::unavailable("this store is read-only"))
///     }
///
///     async fn delete(&self, _: Delete) -> Result<u64, Error> {
///         Err(Error::unavailable("this store is read-only"))
///     }
/// }
/// ```
#[macro_export]
macro_rules! forward {
    ($trait:ident: $this:ident => $to:expr, [$($method:ident),+ $(,)?]) => {
        $($crate::forward!(@$trait $method $this $to);)+
    };
    (@Lifecycle check $this:ident $to:expr) => {
        $crate::forward!(@method $this $to, check(), Result<(), $crate::Error>);
    };
    (@Lifecycle sweep $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            sweep(now: $crate::Timestamp),
            Result<$crate::Swept, $crate::Error>
        );
    };
    (@Lifecycle close $this:ident $to:expr) => {
        $crate::forward!(@method $this $to, close(), ());
    };
    (@KeyValueBackend capabilities $this:ident $to:expr) => {
        fn capabilities(&$this, namespace: &$crate::Namespace) -> $crate::keyvalue::Capabilities {
            $to.capabilities(namespace)
        }
    };
    (@KeyValueBackend put $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            put(put: $crate::keyvalue::Put),
            Result<Vec<$crate::keyvalue::PutResult>, $crate::Error>
        );
    };
    (@KeyValueBackend get $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            get(get: &$crate::keyvalue::Get),
            Result<$crate::keyvalue::ItemPage, $crate::Error>
        );
    };
    (@KeyValueBackend delete $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            delete(delete: $crate::keyvalue::Delete),
            Result<u64, $crate::Error>
        );
    };
    (@KeyValueBackend scan $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            scan(scan: &$crate::keyvalue::Scan),
            Result<$crate::keyvalue::EntryPage, $crate::Error>
        );
    };
    (@TimeSeriesBackend capabilities $this:ident $to:expr) => {
        fn capabilities(&$this, namespace: &$crate::Namespace) -> $crate::timeseries::Capabilities {
            $to.capabilities(namespace)
        }
    };
    (@TimeSeriesBackend append $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            append(append: $crate::timeseries::Append),
            Result<Vec<bool>, $crate::Error>
        );
    };
    (@TimeSeriesBackend query $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            query(query: &$crate::timeseries::Query),
            Result<$crate::timeseries::EventPage, $crate::Error>
        );
    };
    (@TimeSeriesBackend position $this:ident $to:expr) => {
        fn position<'this, 'namespace, 'series, 'future>(
            &'this $this,
            namespace: &'namespace $crate::Namespace,
            series: Option<&'series $crate::timeseries::Series>,
            start: $crate::timeseries::Start,
        ) -> ::std::pin::Pin<
            Box<
                dyn ::std::future::Future<Output = Result<$crate::timeseries::Position, $crate::Error>>
                    + Send
                    + 'future,
            >,
        >
        where
            'this: 'future,
            'namespace: 'future,
            'series: 'future,
            Self: 'future,
        {
            $to.position(namespace, series, start)
        }
    };
    (@TimeSeriesBackend tail $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            tail(tail: &$crate::timeseries::Tail),
            Result<$crate::timeseries::TailPage, $crate::Error>
        );
    };
    (@TimeSeriesBackend appended $this:ident $to:expr) => {
        $crate::forward!(@method $this $to, appended(tail: &$crate::timeseries::Tail), ());
    };
    (@TimeSeriesBackend list_series $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            list_series(list: &$crate::timeseries::ListSeries),
            Result<$crate::timeseries::SeriesPage, $crate::Error>
        );
    };
    (@TimeSeriesBackend histogram $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            histogram(histogram: &$crate::timeseries::Histogram),
            Result<Vec<$crate::timeseries::Bucket>, $crate::Error>
        );
    };
    (@TimeSeriesBackend delete_events $this:ident $to:expr) => {
        $crate::forward!(
            @method $this $to,
            delete_events(delete: $crate::timeseries::DeleteEvents),
            Result<u64, $crate::Error>
        );
    };
    (@TimeSeriesBackend expire $this:ident $to:expr) => {
        fn expire<'this, 'expired, 'future>(
            &'this $this,
            expired: $crate::timeseries::Expired<'expired>,
        ) -> ::std::pin::Pin<
            Box<
                dyn ::std::future::Future<Output = Result<$crate::Swept, $crate::Error>> + Send + 'future,
            >,
        >
        where
            'this: 'future,
            'expired: 'future,
            Self: 'future,
        {
            $to.expire(expired)
        }
    };
    (@TimeSeriesBackend repartitioned $this:ident $to:expr) => {
        fn repartitioned<'this, 'configured, 'future>(
            &'this $this,
            configured: $crate::timeseries::Partitions<'configured>,
        ) -> ::std::pin::Pin<
            Box<
                dyn ::std::future::Future<Output = Result<Option<($crate::Namespace, u32)>, $crate::Error>>
                    + Send
                    + 'future,
            >,
        >
        where
            'this: 'future,
            'configured: 'future,
            Self: 'future,
        {
            $to.repartitioned(configured)
        }
    };
    // The signatures that `async_trait` generates: the inner store's future is returned as it is, not boxed again.
    (@method $this:ident $to:expr, $method:ident(), $answer:ty) => {
        fn $method<'this, 'future>(
            &'this $this,
        ) -> ::std::pin::Pin<Box<dyn ::std::future::Future<Output = $answer> + Send + 'future>>
        where
            'this: 'future,
            Self: 'future,
        {
            $to.$method()
        }
    };
    (@method $this:ident $to:expr, $method:ident($argument:ident: &$type:ty), $answer:ty) => {
        fn $method<'this, 'argument, 'future>(
            &'this $this,
            $argument: &'argument $type,
        ) -> ::std::pin::Pin<Box<dyn ::std::future::Future<Output = $answer> + Send + 'future>>
        where
            'this: 'future,
            'argument: 'future,
            Self: 'future,
        {
            $to.$method($argument)
        }
    };
    (@method $this:ident $to:expr, $method:ident($argument:ident: $type:ty), $answer:ty) => {
        fn $method<'this, 'future>(
            &'this $this,
            $argument: $type,
        ) -> ::std::pin::Pin<Box<dyn ::std::future::Future<Output = $answer> + Send + 'future>>
        where
            'this: 'future,
            Self: 'future,
        {
            $to.$method($argument)
        }
    };
}
