package apitest

import (
	"bytes"
	"context"
	"errors"
)

// ClusterNode stands in for the services of a node. A question with the word bad has no
// seal.
type ClusterNode struct{}

// sealError refuses a question with the word bad.
type sealError struct{ error }

// IsSealError reports whether a question was refused for its seal.
func IsSealError(err error) bool {
	_, ok := errors.AsType[sealError](err)
	return ok
}

// Challenge is always the same.
func (ClusterNode) Challenge() ([]byte, error) { return []byte(`{"node":"n1","nonce":"00"}`), nil }

// Answer answers for ann on n1.
func (ClusterNode) Answer(_ context.Context, _ string, question []byte) (answer []byte, by, job string, err error) {
	if bytes.Contains(question, []byte("bad")) {
		return nil, "", "", sealError{errors.New("the question has no seal of this cluster")}
	}
	return []byte(`{"report":"{}","seal":"ok"}`), "ann on n1", "aaaaaaaaaaaaaaaaaaaa", nil
}
