//! Reading `Signature-Input` and `Signature` (RFC 9421 §4, structured fields of RFC 9651), with
//! every count limited and nothing read leniently. A member that this bridge does not take spoils
//! itself alone: a proxy signs in its own way, and has nothing to say about our callers.

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
    /// Why it cannot be used; what it holds beside is only a part of it then.
    flaw: Option<Refused>,
}

impl Input<'_> {
    /// Whose it says that it is: the `keyid` of a member that can be used.
    pub(super) fn keyid(&self) -> Result<&str, AuthError> {
        if let Some(flaw) = &self.flaw {
            return Err(AuthError::malformed("Signature-Input", flaw));
        }
        self.string("keyid")?.ok_or(AuthError::MissingParameter("keyid"))
    }

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

/// The signature under `label`; what stands under others is not looked at.
pub(super) fn signature(value: &str, label: &str) -> Result<Vec<u8>, AuthError> {
    let mut found = Signatures { label, found: None };
    Parser::new(value)
        .with_version(Version::Rfc9651)
        .parse_dictionary_with_visitor(&mut found)
        .map_err(|error| AuthError::malformed("Signature", error))?;
    found.found.ok_or_else(|| AuthError::MissingSignatureValue(super::error::excerpt(label)))
}

/// What a structured field says that this bridge does not take.
#[derive(Clone, Copy, Debug, thiserror::Error)]
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
        // Which of two is meant nobody can tell: neither is.
        let mut flaw = None;
        for earlier in self.0.iter_mut().filter(|input| input.label == key.as_str()) {
            earlier.flaw = Some(Refused::SameLabel);
            flaw = earlier.flaw;
        }
        let (components, parameters) = (Vec::new(), Vec::new());
        self.0.push(Input { label: key.as_str(), components, parameters, flaw });
        self.0.last_mut().map(Member).ok_or(Refused::TooManyLabels)
    }
}

struct Member<'v, 'a>(&'v mut Input<'a>);

impl<'a> Member<'_, 'a> {
    /// The first thing that is wrong with a member is told, and nothing more of it is kept.
    fn keep(&mut self, check: Result<impl FnOnce(&mut Input<'a>), Refused>) {
        match (self.0.flaw, check) {
            (None, Ok(keep)) => keep(self.0),
            (None, Err(flaw)) => self.0.flaw = Some(flaw),
            (Some(_), _) => {}
        }
    }
}

impl<'a> ItemVisitor<'a> for Member<'_, 'a> {
    type Error = Refused;
    fn bare_item(mut self, _: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a>, Refused> {
        self.keep(Err::<fn(&mut Input<'a>), _>(Refused::NotComponents));
        Ok(Ignored)
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
        Ok(Component(Member(self.0)))
    }
    fn finish(self) -> Result<impl ParameterVisitor<'a>, Refused> {
        Ok(Parameters(self))
    }
}

struct Component<'v, 'a>(Member<'v, 'a>);

impl<'a> ItemVisitor<'a> for Component<'_, 'a> {
    type Error = Refused;
    fn bare_item(
        mut self,
        item: BareItemFromInput<'a>,
    ) -> Result<impl ParameterVisitor<'a>, Refused> {
        let covered = &self.0.0.components;
        let check = match item {
            _ if covered.len() >= limits::COMPONENTS => Err(Refused::TooManyComponents),
            BareItemFromInput::String(name)
                if covered.iter().any(|earlier| earlier.as_str() == name.as_str()) =>
            {
                Err(Refused::SameComponent)
            }
            BareItemFromInput::String(name) => {
                Ok(|input: &mut Input<'a>| input.components.push(name))
            }
            _ => Err(Refused::NotAComponent),
        };
        self.0.keep(check);
        Ok(NoParameters(self.0))
    }
}

struct NoParameters<'v, 'a>(Member<'v, 'a>);

impl<'a> ParameterVisitor<'a> for NoParameters<'_, 'a> {
    type Error = Refused;
    fn parameter(&mut self, _: &'a KeyRef, _: BareItemFromInput<'a>) -> Result<(), Refused> {
        self.0.keep(Err::<fn(&mut Input<'a>), _>(Refused::ComponentParameter));
        Ok(())
    }
}

struct Parameters<'v, 'a>(Member<'v, 'a>);

impl<'a> ParameterVisitor<'a> for Parameters<'_, 'a> {
    type Error = Refused;
    fn parameter(&mut self, key: &'a KeyRef, value: BareItemFromInput<'a>) -> Result<(), Refused> {
        let parameters = &self.0.0.parameters;
        let check = if parameters.len() >= limits::PARAMETERS {
            Err(Refused::TooManyParameters)
        } else if parameters.iter().any(|(earlier, _)| *earlier == key) {
            Err(Refused::SameParameter)
        } else {
            Ok(|input: &mut Input<'a>| input.parameters.push((key, value)))
        };
        self.0.keep(check);
        Ok(())
    }
}

struct Signatures<'l> {
    label: &'l str,
    found: Option<Vec<u8>>,
}

impl<'a> DictionaryVisitor<'a> for Signatures<'_> {
    type Error = Refused;
    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        let is_ours = key.as_str() == self.label;
        if is_ours && self.found.is_some() {
            return Err(Refused::SameLabel);
        }
        Ok(is_ours.then_some(SignatureValue(&mut self.found)))
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

    /// Why `Signature-Input` is refused; or its members serialized again, those that cannot be used
    /// with the reason.
    fn read(value: &str) -> String {
        let written = |input: &Input<'_>| {
            let mut text = format!("{}=", input.label);
            if let Some(flaw) = &input.flaw {
                return format!("{text}<{flaw}>");
            }
            input.write_signature_params(&mut text);
            text
        };
        match signature_inputs(value) {
            Err(error) => error.to_string(),
            Ok(inputs) => inputs.iter().map(written).collect::<Vec<_>>().join(", "),
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

    /// A proxy signs as it likes.
    #[test]
    fn what_is_wrong_with_one_member_says_nothing_of_another() {
        let ours = r#"ours=("@method");keyid="k""#;
        for other in [
            "a",
            "a=1",
            "a=(sig)",
            "a=(sig);keyid=k;keyid=k",
            r#"a=("@authority";req "cookie";sf);keyid="cdn""#,
            r#"a=("date" "date");created=1;created=2"#,
            r#"a=("date");created=@1618884473;expires=%"soon""#,
            r#"a=("date");keyid=k"#,
            r#"a=("date"), a=("date")"#,
        ] {
            for value in [format!("{other}, {ours}"), format!("{ours}, {other}")] {
                let inputs = signature_inputs(&value).expect(other);
                let ours = inputs.iter().find(|input| input.label == "ours").expect("ours");
                assert_eq!(ours.keyid(), Ok("k"), "{value}");
                assert_eq!(inputs.iter().filter(|input| input.keyid().is_ok()).count(), 1);
            }
        }
    }

    #[test]
    fn counts_have_edges() {
        let names =
            |count: usize| (0..count).map(|n| format!("\"h{n}\" ")).collect::<Vec<_>>().concat();
        let is_whole = |value: &str| signature_inputs(value).expect("inputs")[0].flaw.is_none();
        assert!(is_whole(&format!("a=({})", names(limits::COMPONENTS))));
        assert!(!is_whole(&format!("a=({})", names(limits::COMPONENTS + 1))));
        let parameters =
            |count: usize| (0..count).map(|n| format!(";p{n}=1")).collect::<Vec<_>>().concat();
        assert!(is_whole(&format!("a=(){}", parameters(limits::PARAMETERS))));
        assert!(!is_whole(&format!("a=(){}", parameters(limits::PARAMETERS + 1))));
        let labels = |count: usize, what: &str| {
            (0..count).map(|n| format!("l{n}={what}")).collect::<Vec<_>>().join(",")
        };
        assert!(signature_inputs(&labels(limits::LABELS, "()")).is_ok());
        assert!(signature_inputs(&labels(limits::LABELS + 1, "()")).is_err());
        assert!(signature(&labels(limits::LABELS + 1, ":AQI=:"), "l0").is_ok(), "one is looked at");
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
        for beside in ["a", r#"a="text""#, "a=(1 2)", "a=:AQI=:, a=:AQI=:", "a=@1"] {
            assert_eq!(signature(&format!("{beside}, b=:Aw==:"), "b"), Ok(vec![3]), "{beside}");
        }
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
