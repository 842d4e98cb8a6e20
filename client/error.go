package client

import (
	"encoding/json"
	"errors"
	"net/http"

	"thalassa/api/node"
	"thalassa/cluster"
)

// Error is an error that the agent answered with.
type Error struct {
	Status int `json:"-"` // of HTTP
	// Code says for programs what kind of error it is: "invalid",
	// "unauthorized", "forbidden", "not_found", "method_not_allowed",
	// "conflict", "precondition_failed", "too_large", "too_many", "refused",
	// "tls_required", "misdirected", "unavailable" or "internal". Empty: the answer did not come from an agent.
	Code    string            `json:"code"`
	Message string            `json:"error"`  // one sentence
	Fields  []node.FieldError `json:"fields"` // every bad part of the request
	By      []string          `json:"by"`     // ids of the objects in the way
	Output  string            `json:"output"` // of HAProxy, or the lines of a plan that has changed
	// Incident is the id under which the agent's log has the details.
	Incident string `json:"incident"`
	// Rollout is what nodes have said to a rollout that they refuse; nil: the error is about none.
	Rollout *cluster.RolledOut `json:"rollout"`
	// Job is the id of the job of the cluster that has failed; empty: none.
	Job string `json:"-"`
}

// Error is the agent's sentence.
func (e *Error) Error() string { return e.Message }

// newError makes the error of a failed call. If the answer is not JSON of an agent, e.g.
// a proxy's page, the error has its status.
func newError(res *http.Response, body []byte) *Error {
	if to, err := res.Location(); err == nil && to.Scheme == "https" && to.Host == res.Request.URL.Host && res.Request.URL.Scheme == "http" {
		return &Error{
			Status: http.StatusBadRequest, Code: "tls_required",
			Message: "the agent at " + to.Host + " is served with TLS, expected a URL that begins with https://",
		}
	}
	e := &Error{}
	if err := json.Unmarshal(body, e); err != nil || e.Message == "" {
		e = &Error{Message: res.Request.URL.Redacted() + " answers " + res.Status}
	}
	e.Status, e.Job = res.StatusCode, jobIn(res.Header)
	return e
}

// IsUnreachable reports whether the agent gave no complete answer: it does not run, is
// elsewhere, or took too long. The requested change
// may have been made.
func IsUnreachable(err error) bool {
	var away *unreachableError
	return errors.As(err, &away)
}

// unreachableError is a request without a complete answer.
type unreachableError struct{ err error }

// Error is the error of net/http.
func (e *unreachableError) Error() string { return "asking the agent: " + e.err.Error() }

// Unwrap is the cause.
func (e *unreachableError) Unwrap() error { return e.err }
