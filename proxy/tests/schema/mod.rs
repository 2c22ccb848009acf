//! The served schema, read from its descriptors: methods, the fields of their requests, and raw calls.

pub(crate) mod call;
pub(crate) mod fields;
pub(crate) mod requests;

use std::sync::LazyLock;

use prism_proto::FILE_DESCRIPTOR_SET;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

/// A method of the schema.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// Such as `prism.keyvalue.v1.KeyValueService/Put`.
    pub(crate) name: String,
    pub(crate) request: MessageDescriptor,
}

impl Method {
    /// A valid request.
    ///
    /// # Panics
    /// If [`requests`] has none.
    pub(crate) fn valid(&self) -> DynamicMessage {
        let bytes = requests::valid(&self.name);
        DynamicMessage::decode(self.request.clone(), &*bytes).expect("a request of the method's type")
    }
}

/// The methods of all services.
pub(crate) fn methods() -> Vec<Method> {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the committed descriptor set decodes")
    });
    let services: Vec<_> = POOL.services().collect();
    let methods = services.iter().flat_map(|service| {
        service.methods().map(|method| Method {
            name: format!("{}/{}", service.full_name(), method.name()),
            request: method.input(),
        })
    });
    methods.collect()
}
