//! The requests that write: one for each verb, for records and for objects of k8s-openapi alike. Each names its author, ends after a
//! time, and is only sent while this process leads.

use http::{HeaderValue, header};
use kube::{
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
    core::Request,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    error::{Call, Error},
    reader::within,
    writer::{FIELD_MANAGER, Writer},
};
use crate::plan::seen::ObjectKey;

/// The media type of an object of which only the metadata is wanted.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What is written, and how an error names it.
pub(super) struct Target {
    call: Call,
    /// Of the collection.
    url: String,
    name: String,
}

impl Target {
    /// Reads the object that the API server answered with.
    ///
    /// # Errors
    /// When it does not have the shape of such an object.
    pub(super) fn parse<T: DeserializeOwned>(&self, answer: &str) -> Result<T, Error> {
        serde_json::from_str(answer).map_err(|error| self.unreadable(&error))
    }

    /// The error for a request or an answer that does not have the shape that it must have.
    pub(super) fn unreadable(&self, error: &dyn std::error::Error) -> Error {
        Error::Answer {
            call: self.call.clone(),
            message: error.to_string(),
        }
    }

    fn request(&self) -> Request {
        Request::new(self.url.as_str())
    }
}

/// What a POST or PUT says of its author.
fn author() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

/// What a patch says of its author.
pub(super) fn patch_by(author: &str) -> PatchParams {
    PatchParams {
        field_manager: Some(author.into()),
        ..PatchParams::default()
    }
}

impl Writer {
    /// What is written to: the object `key` in the collection at `url`.
    ///
    /// # Errors
    /// [`Error::NotLeader`] while this process does not lead.
    pub(super) fn target(&self, verb: &'static str, kind: &str, url: String, key: &ObjectKey) -> Result<Target, Error> {
        let call = Call {
            verb,
            kind: kind.to_owned(),
            object: key.to_string(),
        };
        if self.leads() {
            let name = key.name.to_string();
            Ok(Target { call, url, name })
        } else {
            Err(Error::NotLeader(call))
        }
    }

    /// Creates the object in `body`; returns it as the API server has it then.
    pub(super) async fn post(&self, target: &Target, body: Vec<u8>) -> Result<Zeroizing<String>, Error> {
        self.send(target, target.request().create(&author(), body)).await
    }

    /// Replaces the object by `body`; returns it as the API server has it then.
    pub(super) async fn put(&self, target: &Target, body: Vec<u8>) -> Result<Zeroizing<String>, Error> {
        let request = target.request().replace(&target.name, &author(), body);
        self.send(target, request).await
    }

    /// Patches or applies the object; returns it as the API server has it then.
    pub(super) async fn change(
        &self,
        target: &Target,
        parameters: &PatchParams,
        patch: &Patch<Value>,
    ) -> Result<Zeroizing<String>, Error> {
        let request = target.request().patch(&target.name, parameters, patch);
        self.send(target, request).await
    }

    /// Applies to the object; returns its metadata as the API server has it then.
    pub(super) async fn apply_for_metadata(
        &self,
        target: &Target,
        parameters: &PatchParams,
        body: Value,
    ) -> Result<Zeroizing<String>, Error> {
        let request = target
            .request()
            .patch(&target.name, parameters, &Patch::Apply(body))
            .map(|mut request| {
                let accepted = HeaderValue::from_static(METADATA_ONLY);
                request.headers_mut().insert(header::ACCEPT, accepted);
                request
            });
        self.send(target, request).await
    }

    /// Patches the object's status; returns the object as the API server has it then.
    pub(super) async fn change_status(
        &self,
        target: &Target,
        patch: &Patch<Value>,
    ) -> Result<Zeroizing<String>, Error> {
        let parameters = patch_by(FIELD_MANAGER);
        let request = target
            .request()
            .patch_subresource("status", &target.name, &parameters, patch);
        self.send(target, request).await
    }

    /// Deletes the object if `only` holds, in the background. It being gone already is success.
    pub(super) async fn remove(&self, target: &Target, only: Option<Preconditions>) -> Result<(), Error> {
        let parameters = DeleteParams {
            preconditions: only,
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let request = target.request().delete(&target.name, &parameters);
        match self.send(target, request).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send(
        &self,
        target: &Target,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Zeroizing<String>, Error> {
        let request = request.map_err(|error| target.unreadable(&error))?;
        let answer = within(target.call.clone(), self.client().request_text(request)).await?;
        Ok(Zeroizing::new(answer))
    }
}
