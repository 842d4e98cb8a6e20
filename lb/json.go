package lb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// unmarshalStrict decodes one JSON document into v. A field that v does not
// have, a wrong type and trailing data are FieldErrors.
func unmarshalStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return invalid("body", "holds more than one JSON document", "one JSON object")
		}
		return nil
	}
	return jsonError(err)
}

// jsonError turns encoding/json's errors into one that names the field.
func jsonError(err error) error {
	var typeErr *json.UnmarshalTypeError
	var syntaxErr *json.SyntaxError
	switch {
	case errors.As(err, &typeErr):
		path := typeErr.Field
		if path == "" {
			path = "body"
		}
		return invalid(path, "is a JSON "+typeErr.Value, jsonKind(typeErr.Type.Kind().String()))
	case errors.As(err, &syntaxErr), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("body", "is not JSON ("+err.Error()+")", "one JSON object")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid(strings.Trim(name, `"`), "is not a field of this object", "")
	}
	return invalid("body", err.Error(), "one JSON object")
}

func jsonKind(kind string) string {
	switch {
	case kind == "slice":
		return "an array"
	case kind == "struct" || kind == "map" || kind == "ptr":
		return "an object"
	case kind == "bool":
		return "true or false"
	case kind == "string":
		return "a string"
	}
	return "a whole number"
}

func invalid(path, problem, expected string) *InvalidError {
	return &InvalidError{Fields: []FieldError{{Path: path, Problem: problem, Expected: expected}}}
}
