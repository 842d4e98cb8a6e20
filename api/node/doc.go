// Package node is the JSON of the node agent's REST API: the bodies of requests and answers, as
// docs/api.md and openapi.json describe them. It converts them to values of lb and back. It does
// not use HTTP, the documents of the store, or other dialects.
//
// Parse functions parse a whole body. Their errors are *lb.InvalidError and name every bad field by
// its path in that body. New functions make the value that encoding/json writes as the answer; its
// field names, order and omissions are the API's contract.
package node
