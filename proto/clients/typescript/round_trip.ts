// Tries the generated TypeScript client without a server: messages, the service and custom options.

import { create, equals, fromBinary, getOption, toBinary } from "@bufbuild/protobuf";
import {
  KeyValueService,
  PutRequestSchema,
} from "./gen/typescript/prism/keyvalue/v1/keyvalue_pb.js";
import { timeout_ms } from "./gen/typescript/prism/options_pb.js";

const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

const request = create(PutRequestSchema, {
  namespace: "users",
  id: "42",
  items: [{ key: allBytes, metadata: { contentType: "text/plain" } }],
  itemPriorityToken: 7n,
  ttl: { seconds: 60n },
});
const again = fromBinary(PutRequestSchema, toBinary(PutRequestSchema, request));
if (!equals(PutRequestSchema, request, again)) {
  throw new Error("a PutRequest came back changed");
}
const timeout = getOption(KeyValueService.method.put, timeout_ms);
if (timeout !== 5000) {
  throw new Error(`the timeout of Put is ${timeout}, not 5000 ms`);
}
console.log("TypeScript client: a PutRequest and the options of Put came back unchanged");
