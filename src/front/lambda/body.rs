//! A request body for the SDK that can be sent repeatedly without copying.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::origin::Body;

/// The bytes of a response, in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces(VecDeque<Bytes>);

impl Pieces {
    /// Collects the pieces of a response.
    pub(super) async fn collect(body: Body) -> io::Result<Self> {
        body.into_shared_frames().into_data_stream().try_collect().await.map(Self)
    }

    /// The number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}
