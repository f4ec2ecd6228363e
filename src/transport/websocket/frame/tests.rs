//! Frames as another implementation writes and reads them, whole and in pieces.

use std::io::Cursor;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame as Theirs, FrameSocket};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;

const MAX: usize = 70_000;

/// A frame as a client sends it.
fn frame(code: OpCode, payload: &[u8], last: bool) -> Vec<u8> {
    let mut frame = Theirs::message(
        Bytes::copy_from_slice(payload),
        OpCode::Data(Data::Text),
        last,
    );
    frame.header_mut().opcode = code;
    frame.header_mut().mask = Some([0x12, 0x34, 0x56, 0x78]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

fn data(code: Data, payload: &[u8], last: bool) -> Vec<u8> {
    frame(OpCode::Data(code), payload, last)
}

fn control(code: Control, payload: &[u8]) -> Vec<u8> {
    frame(OpCode::Control(code), payload, true)
}

/// What is made of the bytes when they come in pieces of so many.
fn read(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Fault>) {
    let mut reader = Reader::new(MAX);
    let mut told = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.extend(piece);
        loop {
            match reader.next() {
                Ok(Some(frame)) => told.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(fault) => return (told, Some(fault)),
            }
        }
    }
    (told, None)
}

fn told(frames: &[Frame<'_>]) -> Vec<String> {
    frames.iter().map(|frame| format!("{frame:?}")).collect()
}

#[test]
fn messages_of_every_length_are_read_in_whatever_pieces_they_come() {
    for length in [0, 1, 124, 125, 126, 127, 4_090, 65_535, 65_536, MAX] {
        let text = "aé€😀".chars().cycle().take(length / 4).collect::<String>();
        let text = format!("{text}{}", "x".repeat(length - text.len().min(length)));
        let text = &text[..text.floor_char_boundary(length)];
        let bytes = [
            data(Data::Text, text.as_bytes(), true),
            control(Control::Ping, b"?"),
            data(Data::Binary, b"also text", true),
        ]
        .concat();
        let wanted = told(&[
            Frame::Message(text.into()),
            Frame::Ping(b"?"),
            Frame::Message("also text".into()),
        ]);
        for piece in [1, 2, 3, 7, 126, 4_096, usize::MAX] {
            assert_eq!(
                read(&bytes, piece),
                (wanted.clone(), None),
                "{length} by {piece}"
            );
        }
    }
}

#[test]
fn a_message_in_several_frames_is_one_with_control_frames_between() {
    let bytes = [
        data(Data::Text, b"", false),
        data(Data::Continue, &"é".as_bytes()[..1], false),
        control(Control::Ping, &[b'x'; 125]),
        data(Data::Continue, b"", false),
        control(Control::Pong, b""),
        data(Data::Continue, &"é".as_bytes()[1..], true),
        data(Data::Text, b"next", true),
    ]
    .concat();
    let wanted = told(&[
        Frame::Ping(&[b'x'; 125]),
        Frame::Pong,
        Frame::Message("é".into()),
        Frame::Message("next".into()),
    ]);
    for piece in [1, 5, usize::MAX] {
        assert_eq!(read(&bytes, piece), (wanted.clone(), None));
    }
}

#[test]
fn what_no_client_may_send_is_a_fault_after_what_was_sound() {
    let sound = data(Data::Text, b"{}", true);
    let mut unmasked = Vec::new();
    let unmasked_frame = Theirs::message(Bytes::from_static(b"{}"), OpCode::Data(Data::Text), true);
    unmasked_frame.format(&mut unmasked).unwrap();
    let with = |bytes: &[u8]| bytes.to_vec();
    let cases = [
        (unmasked, Fault::Protocol),
        (with(&[0xc1, 0x80, 0, 0, 0, 0]), Fault::Protocol),
        (with(&[0x83, 0x80, 0, 0, 0, 0]), Fault::Protocol),
        (with(&[0x8b, 0x80, 0, 0, 0, 0]), Fault::Protocol),
        (
            frame(OpCode::Control(Control::Ping), b"", false),
            Fault::Protocol,
        ),
        (control(Control::Ping, &[0; 126]), Fault::Protocol),
        (data(Data::Continue, b"{}", true), Fault::Protocol),
        (
            [data(Data::Text, b"{", false), data(Data::Text, b"}", true)].concat(),
            Fault::Protocol,
        ),
        (control(Control::Close, &[3]), Fault::Protocol),
        (
            control(Control::Close, &1005_u16.to_be_bytes()),
            Fault::Protocol,
        ),
        (control(Control::Close, &[3, 232, 0xff]), Fault::NotUtf8),
        (data(Data::Text, &[0xff], true), Fault::NotUtf8),
        (
            [
                data(Data::Text, &[0xc3], false),
                data(Data::Continue, b"x", true),
            ]
            .concat(),
            Fault::NotUtf8,
        ),
        (data(Data::Text, &[b'x'; MAX + 1], true), Fault::TooLarge),
        (
            [
                data(Data::Text, &[b'x'; MAX], false),
                data(Data::Continue, b"x", true),
            ]
            .concat(),
            Fault::TooLarge,
        ),
        (
            [&[0x81, 0xff], &u64::MAX.to_be_bytes()[..], &[0; 4]].concat(),
            Fault::TooLarge,
        ),
    ];
    let wanted = told(&[Frame::Message("{}".into())]);
    for (bytes, fault) in cases {
        let bytes = [sound.clone(), bytes].concat();
        for piece in [1, usize::MAX] {
            assert_eq!(
                read(&bytes, piece),
                (wanted.clone(), Some(fault)),
                "{bytes:02x?}"
            );
        }
    }
}

/// A length is judged when it is known, not when as much has come.
#[test]
fn what_a_head_promises_is_neither_waited_for_nor_kept_room_for() {
    let mut reader = Reader::new(MAX);
    reader.extend(&data(Data::Text, &[b'x'; MAX], true)[..100]);
    assert_eq!(reader.next(), Ok(None));
    assert!(reader.bytes.capacity() <= 200);
    let mut reader = Reader::new(MAX);
    reader.extend(&data(Data::Text, &[b'x'; MAX + 1], true)[..20]);
    assert_eq!(reader.next(), Err(Fault::TooLarge));
}

#[test]
fn nothing_is_kept_between_two_messages() {
    let mut reader = Reader::new(MAX);
    for message in [
        data(Data::Text, &[b'x'; 60_000], true),
        [
            data(Data::Text, &[b'x'; 30_000], false),
            data(Data::Continue, &[b'x'; 30_000], true),
        ]
        .concat(),
    ] {
        reader.extend(&message);
        assert!(reader.next().unwrap().is_some());
        assert_eq!(reader.next(), Ok(None));
        assert_eq!(reader.bytes.capacity(), 0);
        assert!(reader.begun.is_none());
    }
}

#[test]
fn a_close_may_say_why() {
    for (payload, code) in [
        (&b""[..], None),
        (b"\x03\xe8", Some(1000)),
        (b"\x0f\xa0bye", Some(4000)),
    ] {
        let mut reader = Reader::new(MAX);
        reader.extend(&control(Control::Close, payload));
        assert_eq!(reader.next(), Ok(Some(Frame::Close(code))));
    }
}

#[test]
fn what_is_written_is_read_by_another() {
    let mut written = Vec::new();
    let long = "é".repeat(40_000);
    for length in [1, 120, 122, 125, 126, 65_530, 65_536] {
        let message = Bytes::from("x".repeat(length));
        written.extend(text(&[message.clone(), message]));
    }
    put_pong(&mut written, b"?");
    put_close(&mut written, Some(1001), &long);
    let mut client = WebSocket::from_raw_socket(Cursor::new(written), Role::Client, None);
    for length in [1, 120, 122, 125, 126, 65_530, 65_536] {
        let x = "x".repeat(length);
        assert_eq!(
            client.read().unwrap(),
            Message::Text(format!("[{x},{x}]").into())
        );
    }
    assert_eq!(
        client.read().unwrap(),
        Message::Pong(Bytes::from_static(b"?"))
    );
    let Message::Close(Some(close)) = client.read().unwrap() else {
        panic!("not closed");
    };
    assert_eq!(u16::from(close.code), 1001);
    assert_eq!(close.reason.as_str(), "é".repeat(61));
    assert!(matches!(
        client.read(),
        Err(Error::ConnectionClosed | Error::Io(_))
    ));

    let mut bare = Vec::new();
    put_close(&mut bare, None, "unsaid");
    let frame = FrameSocket::new(Cursor::new(bare))
        .read(None)
        .unwrap()
        .unwrap();
    assert_eq!(frame.header().opcode, OpCode::Control(Control::Close));
    assert!(frame.payload().is_empty());
}
