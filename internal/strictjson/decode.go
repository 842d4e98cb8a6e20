// Package strictjson decodes JSON documents that people and programs send, or that a
// file holds. Its errors name every bad field by its full path, where encoding/json names
// the first one by its Go type. It does not know what the fields mean.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"

	"thalassa/lb"
)

// Decode decodes one JSON document into v, a pointer to a struct or slice of structs, strings,
// booleans and integers; a json.RawMessage accepts anything. Fields that v does not have, fields that
// are set twice, wrong types and data after the document are an *lb.InvalidError that names each of
// them with its full path. Do not use v then.
func Decode(data []byte, v any) error { return decode("", data, v, false) }

// DecodeAt is Decode for a part of a document: path is where it is.
func DecodeAt(path string, data []byte, v any) error { return decode(path, data, v, false) }

// DecodeLenient is Decode that ignores unknown fields, and takes the last of those that are set
// twice: files may come from another version of this program, or from the original.
func DecodeLenient(data []byte, v any) error { return decode("", data, v, true) }

// DecodeLenientAt is DecodeLenient for a part of a document: path is where it is.
func DecodeLenientAt(path string, data []byte, v any) error { return decode(path, data, v, true) }

// WithoutMark is a document without the byte order mark that some editors and programs
// put before UTF-8 (RFC 8259, section 8.1 allows a reader to ignore it).
func WithoutMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }

func decode(path string, data []byte, v any, lenient bool) error {
	c := checker{lenient: lenient}
	c.decode(path, WithoutMark(data), v)
	return c.Err()
}

// A checker collects what is wrong with a document.
type checker struct {
	lb.FieldErrors

	lenient bool // unknown fields are no problem
}

func (c *checker) decode(path string, data []byte, v any) {
	dec := json.NewDecoder(bytes.NewReader(data))
	var doc json.RawMessage // of any shape, without values of its own
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		c.Add(orBody(path), "is empty", "one JSON object")
		return
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.Add(orBody(path), "is not JSON (it ends too early)", "one JSON object")
		return
	case err != nil:
		c.Add(orBody(path), "is not JSON ("+err.Error()+")", "one JSON object")
		return
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		c.Add(orBody(path), "holds more than one JSON document", "one JSON object")
		return
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(doc)), lenient: c.lenient}
	w.dec.UseNumber()
	c.AddErr("", w.check(path, reflect.TypeOf(v).Elem()))
	if c.Err() != nil {
		return
	}
	if err := json.Unmarshal(data, v); err != nil {
		c.Add(orBody(path), err.Error(), "")
	}
}

func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

// goKind says which JSON values a type accepts.
func goKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	default:
		return "a whole number"
	}
}

// A Pair is one field of an object whose names are data.
type Pair struct {
	Name string
	// Number is the value as written; empty: it is no number.
	Number string
}

// Numbers reads an object of numbers whose names are data, in the order of the document,
// including all fields of the same name, of which encoding/json would keep only the last.
// problem says what the document is instead, as in "is no object"; empty: nothing.
func Numbers(raw []byte) (pairs []Pair, problem string) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if brace, err := dec.Token(); err != nil || brace != json.Delim('{') {
		return nil, "is no object"
	}
	pairs = []Pair{}
	for dec.More() {
		key, keyErr := dec.Token()
		name, _ := key.(string) // keys always are
		var value any
		if err := dec.Decode(&value); err != nil || keyErr != nil {
			return nil, "is not JSON"
		}
		number, _ := value.(json.Number)
		pairs = append(pairs, Pair{Name: name, Number: number.String()})
	}
	return pairs, ""
}

// IsAbsent reports whether a raw field is missing or null, which encoding/json treats alike.
func IsAbsent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
