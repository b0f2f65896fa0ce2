//! What packets of XML are made of, whatever the dialect: a guarded parser of elements and attributes, texts and
//! figures as they are written, data items and groups of them. Nothing here knows a frame or a connection.

pub(crate) mod attributes;
pub(crate) mod encoding;
pub(crate) mod figures;
pub(crate) mod items;
pub(crate) mod nodes;
pub(crate) mod options;
pub(crate) mod reader;
pub(crate) mod text;
pub(crate) mod word;
pub(crate) mod writer;
