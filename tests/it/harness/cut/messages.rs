//! Messages of PostgreSQL's protocol, version 3, and which statement each of them executes.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read};
use std::net::TcpStream;

/// A message of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One or several statements as text.
    Query,
    Parse,
    Bind,
    Execute,
    Sync,
}

/// What the server answers with when it is ready for the next statement.
pub(super) const READY: u8 = b'Z';

/// The first messages of a client have a code in place of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// It asks for encryption before it begins.
    Encryption,
    /// It begins, or cancels a statement of another connection.
    Begin,
}

const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// One message as it is on the wire.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
}

/// The rest of a message whose length follows next.
fn read_rest(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let rest = rest.checked_sub(4).filter(|rest| *rest <= BYTES_MAX);
    let rest =
        rest.ok_or_else(|| Error::new(ErrorKind::InvalidData, "not PostgreSQL's protocol"))?;
    bytes.extend_from_slice(&length);
    let begin = bytes.len();
    bytes.resize(begin + rest, 0);
    stream.read_exact(&mut bytes[begin..])
}

/// The next of a client's first messages.
pub(super) fn read_first(stream: &mut TcpStream) -> std::io::Result<(First, Message)> {
    let mut bytes = Vec::new();
    read_rest(stream, &mut bytes)?;
    let code = bytes.get(4..8).map(|code| [code[0], code[1], code[2], code[3]]);
    let first = match code.map(u32::from_be_bytes) {
        Some(SSL | GSS) => First::Encryption,
        _ => First::Begin,
    };
    Ok((first, Message { bytes }))
}

/// The next message with a type.
pub(super) fn read(stream: &mut TcpStream) -> std::io::Result<Message> {
    let mut bytes = vec![0];
    stream.read_exact(&mut bytes)?;
    read_rest(stream, &mut bytes)?;
    Ok(Message { bytes })
}

impl Message {
    pub(super) fn type_byte(&self) -> u8 {
        self.bytes[0]
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        match self.type_byte() {
            b'Q' => Some(Kind::Query),
            b'P' => Some(Kind::Parse),
            b'B' => Some(Kind::Bind),
            b'E' => Some(Kind::Execute),
            b'S' => Some(Kind::Sync),
            _ => None,
        }
    }

    /// The texts that a message begins with, each ended by a zero.
    fn texts(&self) -> impl Iterator<Item = String> {
        let content = self.bytes.get(5..).unwrap_or_default();
        content.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

/// The statements that a client has prepared on a connection.
#[derive(Debug, Default)]
pub(super) struct Statements {
    prepared: HashMap<String, String>,
    portals: HashMap<String, String>,
}

impl Statements {
    /// Learns from a message. Returns the text of the statement that it executes.
    pub(super) fn executed(&mut self, message: &Message) -> Option<String> {
        let mut texts = message.texts();
        let first = texts.next()?;
        match message.kind()? {
            Kind::Query => Some(first),
            Kind::Parse => {
                self.prepared.insert(first, texts.next()?);
                None
            }
            Kind::Bind => {
                let text = self.prepared.get(&texts.next()?).cloned();
                self.portals.insert(first, text.unwrap_or_default());
                None
            }
            Kind::Execute => self.portals.get(&first).cloned(),
            Kind::Sync => None,
        }
    }
}
