//! A future that is polled by whoever holds it alone.
//!
//! Other HTTP clients take only bodies that are `Sync` (reqwest's does), and a future in a box is not. Here it is behind a lock that
//! is never taken, because nobody shares what holds it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

pub(crate) struct Polled<T> {
    future: Mutex<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> Polled<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Polled<T> {
        Polled { future: Mutex::new(Box::pin(future)) }
    }
}

impl<T> Future for Polled<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let future = &mut self.get_mut().future;
        future.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}
