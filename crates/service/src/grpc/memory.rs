//! What all calls of a port together may hold: their number, and their messages, which are requests that are coming in and
//! parts of answers that nobody has taken yet.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::MAX_MESSAGE_BYTES;

/// In front of each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The largest question about health or the services themselves, which anybody may ask.
const SMALL_QUESTION: usize = 64 * 1024;

/// Questions about health and the services themselves at a time: a probe is not to fail because of how many calls there are.
const QUESTIONS: usize = 500;

/// Room for calls and their messages. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    room: Arc<Room>,
    calls: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    most_calls: usize,
}

#[derive(Debug)]
struct Room {
    most: usize,
    held: AtomicUsize,
}

impl Memory {
    /// For so many calls, and so many bytes of messages.
    pub(super) fn new(calls: usize, bytes: usize) -> Self {
        Self {
            room: Arc::new(Room {
                most: bytes,
                held: AtomicUsize::new(0),
            }),
            calls: Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS))),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            most_calls: calls,
        }
    }

    /// A place for a call until it is dropped.
    fn admit(&self, is_question: bool) -> Result<OwnedSemaphorePermit, Status> {
        let (places, most) = if is_question {
            (&self.questions, QUESTIONS)
        } else {
            (&self.calls, self.most_calls)
        };
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "this instance works on {most} calls already (grpc.calls); try again in a moment"
            ))
        })
    }

    fn hold_nothing(&self) -> Held {
        Held {
            room: Arc::clone(&self.room),
            bytes: 0,
        }
    }
}

/// Bytes that one call holds; dropping it gives them back.
#[derive(Debug)]
struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Held {
    /// Holds more. Refused when all calls together hold too much.
    fn add(&mut self, bytes: usize) -> Result<(), Status> {
        let before = self.room.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes <= self.room.most {
            return Ok(());
        }
        Err(Status::resource_exhausted(format!(
            "this instance holds {} MiB of messages already (grpc.memory_mib); try again in a moment",
            self.room.most / (1024 * 1024)
        )))
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.room.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

/// A service within the memory.
#[derive(Clone)]
pub(super) struct Bounded<S> {
    inner: S,
    memory: Memory,
    stall: Duration,
}

impl<S> Bounded<S> {
    /// A caller may pause for `stall` within a request.
    pub(super) const fn new(inner: S, memory: Memory, stall: Duration) -> Self {
        Self { inner, memory, stall }
    }
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_question = request.uri().path().starts_with("/grpc.");
        let place = match self.memory.admit(is_question) {
            Ok(place) => place,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        let coming = self.memory.hold_nothing();
        let going = self.memory.hold_nothing();
        let stall = self.stall;
        let most = if is_question {
            SMALL_QUESTION
        } else {
            MAX_MESSAGE_BYTES
        };
        let answer = self.inner.call(request.map(|inner| {
            Body::new(Incoming {
                inner,
                held: coming,
                message: Message::default(),
                most,
                stall,
                pause: None,
            })
        }));
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|inner| {
                Body::new(Outgoing {
                    inner,
                    held: going,
                    _place: place,
                    ended: false,
                })
            }))
        })
    }
}

/// Where in the messages of a request a call is.
#[derive(Debug, Default)]
struct Message {
    prefix: [u8; PREFIX],
    prefix_read: usize,
    left: usize,
    /// What the longest message so far says it has.
    length: usize,
    /// Bytes of this message so far, and of the one before: that one may still be worked on.
    current: usize,
    former: usize,
}

impl Message {
    /// Follows some bytes of a request; how many bytes of former messages need not be held any more.
    fn follow(&mut self, mut bytes: &[u8]) -> usize {
        let mut done = 0;
        while !bytes.is_empty() {
            if self.prefix_read < PREFIX {
                if self.prefix_read == 0 {
                    done += std::mem::replace(&mut self.former, std::mem::take(&mut self.current));
                }
                let taken = bytes.len().min(PREFIX - self.prefix_read);
                self.prefix[self.prefix_read..self.prefix_read + taken].copy_from_slice(&bytes[..taken]);
                self.prefix_read += taken;
                self.current += taken;
                bytes = &bytes[taken..];
                if self.prefix_read == PREFIX {
                    let [_, length @ ..] = self.prefix;
                    self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                    self.length = self.length.max(self.left);
                }
            }
            let taken = bytes.len().min(self.left);
            self.left -= taken;
            self.current += taken;
            bytes = &bytes[taken..];
            if self.prefix_read == PREFIX && self.left == 0 {
                self.prefix_read = 0;
            }
        }
        done
    }
}

/// A request on its way in.
struct Incoming {
    inner: Body,
    held: Held,
    message: Message,
    /// Bytes of one message.
    most: usize,
    stall: Duration,
    /// Since the caller pauses.
    pause: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let stall = this.stall;
                let pause = this
                    .pause
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                return pause.as_mut().poll(context).map(|()| {
                    Some(Err(Status::deadline_exceeded(format!(
                        "nothing more of the request came within {stall:?} (grpc.stall_seconds)"
                    ))))
                });
            }
        };
        this.pause = None;
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let done = this.message.follow(data);
            this.held.give_back(done);
            let length = this.message.length;
            if length > this.most {
                return Poll::Ready(Some(Err(Status::resource_exhausted(format!(
                    "a message of {length} bytes is larger than the {} allowed here; send less at once",
                    this.most
                )))));
            }
            if let Err(status) = this.held.add(data.len()) {
                return Poll::Ready(Some(Err(status)));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer on its way out.
struct Outgoing {
    inner: Body,
    held: Held,
    _place: OwnedSemaphorePermit,
    ended: bool,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        // Whoever asks for more has got rid of what came before.
        this.held.give_back(this.held.bytes);
        let frame = Pin::new(&mut this.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(status) = this.held.add(data.len())
        {
            this.ended = true;
            let mut trailers = HeaderMap::new();
            // Our own text of plain ASCII always fits into a header.
            drop(status.add_header(&mut trailers));
            debug_assert_eq!(status.code(), Code::ResourceExhausted);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.resize(PREFIX + length as usize, 7);
        bytes
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let stream: Vec<u8> = [message(3), message(0), message(300), message(1)].concat();
        for size in 1..stream.len() {
            let mut followed = Message::default();
            let done: usize = stream.chunks(size).map(|piece| followed.follow(piece)).sum();
            assert_eq!(done, 8 + 5, "cut at {size}");
            assert_eq!((followed.former, followed.current), (305, 6), "cut at {size}");
        }
    }

    #[test]
    fn calls_have_places_and_questions_have_their_own() {
        let memory = Memory::new(1, 10);
        let call = memory.admit(false).unwrap();
        let refused = memory.admit(false).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(
            refused.message(),
            "this instance works on 1 calls already (grpc.calls); try again in a moment"
        );
        assert!(memory.admit(true).is_ok());
        drop(call);
        assert!(memory.admit(false).is_ok());
    }

    #[test]
    fn what_all_hold_is_bounded_and_given_back() {
        let memory = Memory::new(1, 10);
        let (mut one, mut other) = (memory.hold_nothing(), memory.hold_nothing());
        one.add(6).unwrap();
        assert_eq!(other.add(5).unwrap_err().code(), Code::ResourceExhausted);
        drop(other);
        memory.hold_nothing().add(4).unwrap();
        drop(one);
        memory.hold_nothing().add(10).unwrap();
        assert_eq!(memory.room.held.load(Ordering::Relaxed), 0);
    }
}
