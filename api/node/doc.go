// Package node is the JSON of the node agent's REST API: the bodies that it takes and
// gives, as docs/api.md and openapi.json describe them. It turns them into values of lb
// and back, and knows nothing of HTTP, of the store's documents, or of other dialects.
//
// Parse functions take a whole body. Their errors are *lb.InvalidError and name every bad
// field by its path in that body. New functions make what encoding/json writes as the
// answer; its field names, order and omissions are the API's contract.
package node
