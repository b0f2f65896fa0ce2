//! Reading `Signature-Input` and `Signature` (RFC 9421 §4, structured fields of RFC 9651), with
//! every count limited and nothing read leniently.

use super::{error::AuthError, limits};
use http::HeaderMap;
use sfv::{
    BareItemFromInput, KeyRef, ListSerializer, Parser, StringRef, Version,
    visitor::{
        DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, Never,
        ParameterVisitor,
    },
};
use std::borrow::Cow;

/// All lines of one header as one value, as RFC 9421 §2.1 joins them. `None` if there is no line.
pub(super) fn combined<'a>(
    headers: &'a HeaderMap,
    header: &'static str,
    longest: usize,
) -> Result<Option<Cow<'a, str>>, AuthError> {
    let mut lines = headers.get_all(header).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    let mut value = Cow::Borrowed(text_of(first, header)?);
    for line in lines {
        let value = value.to_mut();
        value.push_str(", ");
        value.push_str(text_of(line, header)?);
    }
    if value.len() > longest {
        return Err(AuthError::malformed(header, format_args!("longer than {longest} bytes")));
    }
    Ok(Some(value))
}

fn text_of<'a>(value: &'a http::HeaderValue, header: &'static str) -> Result<&'a str, AuthError> {
    value.to_str().map_err(|_| AuthError::malformed(header, "not visible ASCII"))
}

/// One member of `Signature-Input`: what a signature covers, and its parameters, in their order.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) label: &'a str,
    pub(super) components: Vec<Cow<'a, StringRef>>,
    parameters: Vec<(&'a KeyRef, BareItemFromInput<'a>)>,
}

impl Input<'_> {
    /// Whether the component is covered.
    pub(super) fn covers(&self, component: &str) -> bool {
        self.components.iter().any(|covered| covered.as_str() == component)
    }

    /// An integer parameter; any other type is malformed.
    pub(super) fn integer(&self, name: &'static str) -> Result<Option<i64>, AuthError> {
        match self.parameter(name) {
            None => Ok(None),
            Some(BareItemFromInput::Integer(value)) => Ok(Some(i64::from(*value))),
            Some(_) => Err(wrong_type(name, "an integer")),
        }
    }

    /// A string parameter; any other type is malformed.
    pub(super) fn string(&self, name: &'static str) -> Result<Option<&str>, AuthError> {
        match self.parameter(name) {
            None => Ok(None),
            Some(BareItemFromInput::String(value)) => Ok(Some(value.as_str())),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// Appends the value of `@signature-params` (RFC 9421 §2.3), serialized strictly: what the
    /// signer signed, however it spaced the header.
    pub(super) fn write_signature_params(&self, base: &mut String) {
        let mut list = ListSerializer::with_buffer(base);
        let mut inner = list.inner_list();
        for component in &self.components {
            let _ = inner.bare_item(component.as_ref());
        }
        let mut parameters = inner.finish();
        for (name, value) in &self.parameters {
            parameters = parameters.parameter(name, value);
        }
        drop(parameters);
        let _ = list.finish();
    }

    fn parameter(&self, name: &str) -> Option<&BareItemFromInput<'_>> {
        self.parameters.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value)
    }
}

fn wrong_type(name: &str, wanted: &str) -> AuthError {
    AuthError::malformed("Signature-Input", format_args!("{name} must be {wanted}"))
}

/// All members of `Signature-Input`, in their order; at least one.
pub(super) fn signature_inputs(value: &str) -> Result<Vec<Input<'_>>, AuthError> {
    let mut inputs = Vec::new();
    Parser::new(value)
        .with_version(Version::Rfc9651)
        .parse_dictionary_with_visitor(&mut Inputs(&mut inputs))
        .map_err(|error| AuthError::malformed("Signature-Input", error))?;
    if inputs.is_empty() {
        return Err(AuthError::MissingSignature("Signature-Input"));
    }
    Ok(inputs)
}

/// The signature under `label`.
pub(super) fn signature(value: &str, label: &str) -> Result<Vec<u8>, AuthError> {
    let mut found = Signatures { label, found: None, seen: Vec::new() };
    Parser::new(value)
        .with_version(Version::Rfc9651)
        .parse_dictionary_with_visitor(&mut found)
        .map_err(|error| AuthError::malformed("Signature", error))?;
    found.found.ok_or_else(|| AuthError::MissingSignatureValue(super::error::excerpt(label)))
}

/// What a structured field says that this bridge does not take.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("more than {} labels", limits::LABELS)]
    TooManyLabels,
    #[error("a label occurs twice")]
    SameLabel,
    #[error("a member is not a list of components in parentheses")]
    NotComponents,
    #[error("more than {} components are covered", limits::COMPONENTS)]
    TooManyComponents,
    #[error("a component is not a string")]
    NotAComponent,
    #[error("a component is covered twice")]
    SameComponent,
    #[error("parameters of a component (;sf ;key ;bs ;req ;tr ;name) are not supported")]
    ComponentParameter,
    #[error("more than {} parameters", limits::PARAMETERS)]
    TooManyParameters,
    #[error("a parameter occurs twice")]
    SameParameter,
    #[error("a member is not a byte sequence between colons")]
    NotBytes,
}

struct Inputs<'v, 'a>(&'v mut Vec<Input<'a>>);

impl<'a> DictionaryVisitor<'a> for Inputs<'_, 'a> {
    type Error = Refused;
    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        if self.0.len() >= limits::LABELS {
            return Err(Refused::TooManyLabels);
        }
        if self.0.iter().any(|input| input.label == key.as_str()) {
            return Err(Refused::SameLabel);
        }
        self.0.push(Input { label: key.as_str(), components: Vec::new(), parameters: Vec::new() });
        self.0.last_mut().map(Member).ok_or(Refused::TooManyLabels)
    }
}

struct Member<'v, 'a>(&'v mut Input<'a>);

impl<'a> ItemVisitor<'a> for Member<'_, 'a> {
    type Error = Refused;
    fn bare_item(self, _: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a>, Refused> {
        Err::<Never, _>(Refused::NotComponents)
    }
}

impl<'a> EntryVisitor<'a> for Member<'_, 'a> {
    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Refused> {
        Ok(self)
    }
}

impl<'a> InnerListVisitor<'a> for Member<'_, 'a> {
    type Error = Refused;
    fn item(&mut self) -> Result<impl ItemVisitor<'a>, Refused> {
        if self.0.components.len() >= limits::COMPONENTS {
            return Err(Refused::TooManyComponents);
        }
        Ok(Component(&mut self.0.components))
    }
    fn finish(self) -> Result<impl ParameterVisitor<'a>, Refused> {
        Ok(Parameters(&mut self.0.parameters))
    }
}

struct Component<'v, 'a>(&'v mut Vec<Cow<'a, StringRef>>);

impl<'a> ItemVisitor<'a> for Component<'_, 'a> {
    type Error = Refused;
    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a>, Refused> {
        let BareItemFromInput::String(name) = item else { return Err(Refused::NotAComponent) };
        if self.0.iter().any(|earlier| earlier.as_str() == name.as_str()) {
            return Err(Refused::SameComponent);
        }
        self.0.push(name);
        Ok(NoParameters)
    }
}

struct NoParameters;

impl<'a> ParameterVisitor<'a> for NoParameters {
    type Error = Refused;
    fn parameter(&mut self, _: &'a KeyRef, _: BareItemFromInput<'a>) -> Result<(), Refused> {
        Err(Refused::ComponentParameter)
    }
}

struct Parameters<'v, 'a>(&'v mut Vec<(&'a KeyRef, BareItemFromInput<'a>)>);

impl<'a> ParameterVisitor<'a> for Parameters<'_, 'a> {
    type Error = Refused;
    fn parameter(&mut self, key: &'a KeyRef, value: BareItemFromInput<'a>) -> Result<(), Refused> {
        if self.0.len() >= limits::PARAMETERS {
            return Err(Refused::TooManyParameters);
        }
        if self.0.iter().any(|(earlier, _)| *earlier == key) {
            return Err(Refused::SameParameter);
        }
        self.0.push((key, value));
        Ok(())
    }
}

struct Signatures<'l, 'a> {
    label: &'l str,
    found: Option<Vec<u8>>,
    seen: Vec<&'a str>,
}

impl<'a> DictionaryVisitor<'a> for Signatures<'_, 'a> {
    type Error = Refused;
    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        if self.seen.len() >= limits::LABELS {
            return Err(Refused::TooManyLabels);
        }
        if self.seen.contains(&key.as_str()) {
            return Err(Refused::SameLabel);
        }
        self.seen.push(key.as_str());
        Ok((key.as_str() == self.label).then_some(SignatureValue(&mut self.found)))
    }
}

struct SignatureValue<'v>(&'v mut Option<Vec<u8>>);

impl<'a> ItemVisitor<'a> for SignatureValue<'_> {
    type Error = Refused;
    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a>, Refused> {
        let BareItemFromInput::ByteSequence(bytes) = item else { return Err(Refused::NotBytes) };
        *self.0 = Some(bytes);
        Ok(Ignored)
    }
}

impl<'a> EntryVisitor<'a> for SignatureValue<'_> {
    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Refused> {
        Err::<Never, _>(Refused::NotBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why `Signature-Input` is refused, or its members serialized again.
    fn read(value: &str) -> String {
        match signature_inputs(value) {
            Err(error) => error.to_string(),
            Ok(inputs) => inputs
                .iter()
                .map(|input| {
                    let mut text = format!("{}=", input.label);
                    input.write_signature_params(&mut text);
                    text
                })
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    #[test]
    fn members_keep_their_order_and_lose_odd_spacing() {
        let strict = r#"b=("@method" "@path");created=1;keyid="k\"\\";x;y=?0;z=:AQI=:, a=()"#;
        let spaced = r#"b=(  "@method"   "@path" );  created=1; keyid="k\"\\";x=?1;y=?0;z=:AQI=:  ,   a=( )"#;
        assert_eq!(read(strict), strict);
        assert_eq!(read(spaced), strict);
    }

    #[test]
    fn what_is_not_taken_is_named() {
        for (value, why) in [
            ("a", "not a list of components"),
            ("a=1", "not a list of components"),
            ("a=(sig)", "not a string"),
            (r#"a=("date";sf)"#, "not supported"),
            (r#"a=("@query-param";name="q")"#, "not supported"),
            (r#"a=("date" "date")"#, "covered twice"),
            (r#"a=("date");created=1;created=2"#, "a parameter occurs twice"),
            (r#"a=("date"), a=("date")"#, "a label occurs twice"),
            (r#"a=("date""#, "cannot be used"),
            (r#"a=("date"),"#, "cannot be used"),
            ("", "no Signature-Input header"),
        ] {
            let read = read(value);
            assert!(read.contains(why), "{value}: {read}");
        }
    }

    #[test]
    fn counts_have_edges() {
        let names =
            |count: usize| (0..count).map(|n| format!("\"h{n}\" ")).collect::<Vec<_>>().concat();
        assert!(signature_inputs(&format!("a=({})", names(limits::COMPONENTS))).is_ok());
        assert!(signature_inputs(&format!("a=({})", names(limits::COMPONENTS + 1))).is_err());
        let parameters =
            |count: usize| (0..count).map(|n| format!(";p{n}=1")).collect::<Vec<_>>().concat();
        assert!(signature_inputs(&format!("a=(){}", parameters(limits::PARAMETERS))).is_ok());
        assert!(signature_inputs(&format!("a=(){}", parameters(limits::PARAMETERS + 1))).is_err());
        let labels = |count: usize, what: &str| {
            (0..count).map(|n| format!("l{n}={what}")).collect::<Vec<_>>().join(",")
        };
        assert!(signature_inputs(&labels(limits::LABELS, "()")).is_ok());
        assert!(signature_inputs(&labels(limits::LABELS + 1, "()")).is_err());
        assert!(signature(&labels(limits::LABELS, ":AQI=:"), "l0").is_ok());
        assert!(signature(&labels(limits::LABELS + 1, ":AQI=:"), "l0").is_err());
    }

    #[test]
    fn parameters_have_types() {
        let inputs = signature_inputs(r#"a=();created="1";keyid=k;expires=5;nonce="n""#);
        let input = &inputs.expect("inputs")[0];
        assert!(input.integer("created").is_err());
        assert!(input.string("keyid").is_err());
        assert_eq!(input.integer("expires"), Ok(Some(5)));
        assert_eq!(input.string("nonce"), Ok(Some("n")));
        assert_eq!(input.string("alg"), Ok(None));
    }

    #[test]
    fn a_signature_is_found_by_its_label() {
        assert_eq!(signature("a=:AQI=:, b=:Aw==:", "b"), Ok(vec![3]));
        assert!(matches!(signature("a=:AQI=:", "b"), Err(AuthError::MissingSignatureValue(_))));
        for bad in ["b=1", "b", "b=(:AQI=:)", "b=:!:", "b=:AQI=:, b=:AQI=:"] {
            assert!(matches!(signature(bad, "b"), Err(AuthError::Malformed { .. })), "{bad}");
        }
    }

    #[test]
    fn lines_are_joined_up_to_a_length() {
        let mut headers = HeaderMap::new();
        assert_eq!(combined(&headers, "signature", 8), Ok(None));
        headers.append("signature", "abc".parse().expect("a value"));
        assert_eq!(combined(&headers, "signature", 3), Ok(Some("abc".into())));
        headers.append("signature", "def".parse().expect("a value"));
        assert_eq!(combined(&headers, "signature", 8), Ok(Some("abc, def".into())));
        assert!(combined(&headers, "signature", 7).is_err());
    }
}
