package node

import "thalassa/lb"

// A FieldError says which field of a request is wrong, and what was expected there.
type FieldError struct {
	Path     string `json:"path"` // e.g. "rules[0].operation"
	Problem  string `json:"problem"`
	Expected string `json:"expected,omitempty"`
}

// Error joins path, problem and expectation into one sentence.
func (e FieldError) Error() string { return lb.FieldError(e).Error() }

// NewFieldErrors makes the JSON document of bad fields.
func NewFieldErrors(list []lb.FieldError) []FieldError {
	out := make([]FieldError, len(list))
	for i, f := range list {
		out[i] = FieldError(f)
	}
	return out
}
