//! Standard input as a leash: the gateway of a program ends with that program, however it ends.
//!
//! Whoever starts the gateway holds the other end of a pipe. A program that is killed can tell nobody; but the system
//! closes what it had open. Its process id would not do (the id may be somebody else's by the time one looks), nor would
//! a signal at its death: that one comes at the end of a thread, and only on some systems.
//!
//! The pipe is read on a thread of its own, which is not waited for: a read of a terminal can be broken off by nothing.

use std::io::{self, Read};

use tokio::sync::oneshot;

/// What is read at once, in bytes. It is thrown away.
const READ_BYTES: usize = 4096;

/// What the gateway is held by, if by anything.
#[derive(Debug)]
pub(super) struct Leash(Option<oneshot::Receiver<()>>);

impl Leash {
    /// Nothing holds it: [`Leash::ended`] never comes.
    pub(super) fn none() -> Leash {
        Leash(None)
    }

    /// Held by who writes to `input`, from now on.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(super) fn on(mut input: impl Read + Send + 'static) -> io::Result<Leash> {
        let (held, ended) = oneshot::channel();
        std::thread::Builder::new().name("leash".to_owned()).spawn(move || {
            let mut thrown_away = [0; READ_BYTES];
            loop {
                match input.read(&mut thrown_away) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Of what cannot be read nobody knows who holds it.
                    Err(_) => break,
                }
            }
            drop(held);
        })?;
        Ok(Leash(Some(ended)))
    }

    /// Returns when it was let go of, once; may be asked and dropped as often as one likes.
    pub(super) async fn ended(&mut self) {
        match &mut self.0 {
            // What holds it is dropped, never sent.
            Some(ended) => drop(ended.await),
            None => return std::future::pending().await,
        }
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    /// More than any machine takes to notice.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn has_ended(leash: &mut Leash) -> bool {
        tokio::time::timeout(PATIENCE, leash.ended()).await.is_ok()
    }

    async fn is_held(leash: &mut Leash) -> bool {
        tokio::time::timeout(Duration::ZERO, leash.ended()).await.is_err()
    }

    #[tokio::test]
    async fn the_end_of_the_pipe_is_told_once_whatever_came_before() {
        let (read, mut write) = io::pipe().unwrap();
        let mut leash = Leash::on(read).unwrap();
        write.write_all(&[b'x'; 3 * READ_BYTES]).unwrap();
        assert!(is_held(&mut leash).await);
        drop(write);
        assert!(has_ended(&mut leash).await);
        assert!(is_held(&mut leash).await, "it is told once");
    }

    struct Broken(u8);

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(if self.0 < 3 { io::ErrorKind::Interrupted } else { io::ErrorKind::ConnectionReset }.into())
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_holds_nothing() {
        assert!(has_ended(&mut Leash::on(Broken(0)).unwrap()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_one_there_is_no_end() {
        let mut leash = Leash::none();
        assert!(tokio::time::timeout(Duration::from_secs(1_000_000), leash.ended()).await.is_err());
    }
}
