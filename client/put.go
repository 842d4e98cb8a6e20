package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// A Put is a document of PutBackend with how it is put. Both fields concern a dynamic
// backend that a frontend leads to, and another service or other versions than before.
type Put struct {
	Document any  // see PutBackend
	Force    bool // even when no instance of a version is healthy
	// Wait is how long healthy instances may take to appear, 10 minutes at most.
	Wait time.Duration
}

// MarshalJSON gives the document with the fields force and wait.
func (p Put) MarshalJSON() ([]byte, error) {
	document, err := json.Marshal(p.Document)
	if err != nil {
		return nil, err
	}
	if !p.Force && p.Wait == 0 {
		return document, nil
	}
	var how struct {
		Force bool   `json:"force,omitempty"`
		Wait  string `json:"wait,omitempty"`
	}
	how.Force = p.Force
	if p.Wait != 0 {
		how.Wait = p.Wait.String()
	}
	fields, err := json.Marshal(how)
	if err != nil {
		return nil, err
	}
	rest, isObject := bytes.CutPrefix(bytes.TrimSpace(document), []byte("{"))
	if !isObject {
		return nil, errors.New("the document is no JSON object")
	}
	fields[len(fields)-1] = ','
	if bytes.HasPrefix(bytes.TrimSpace(rest), []byte("}")) {
		fields = fields[:len(fields)-1]
	}
	return append(fields, rest...), nil
}
