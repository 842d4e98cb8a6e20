package lb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// unmarshalStrict decodes one JSON document into v, a pointer to a struct or
// slice of structs, strings, booleans and integers. Fields that v does not have, wrong types and trailing data are an
// *InvalidError that names each of them with its full path.
func unmarshalStrict(data []byte, v any) error {
	var fe fieldErrors
	fe.decode("", data, v)
	return fe.err()
}

// unmarshalLenient is unmarshalStrict that passes over unknown fields: files
// may come from another version of this program, or from the original.
func unmarshalLenient(data []byte, v any) error {
	fe := fieldErrors{lenient: true}
	fe.decode("", data, v)
	return fe.err()
}

// decode is unmarshalStrict for the part of a document at path. It is false when
// it recorded a problem, and v is not to be used then.
func (fe *fieldErrors) decode(path string, data []byte, v any) bool {
	before := len(fe.list)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var doc any
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		fe.add(orBody(path), "is empty", "one JSON object")
		return false
	case errors.Is(err, io.ErrUnexpectedEOF):
		fe.add(orBody(path), "is not JSON (it ends too early)", "one JSON object")
		return false
	case err != nil:
		fe.add(orBody(path), "is not JSON ("+err.Error()+")", "one JSON object")
		return false
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		fe.add(orBody(path), "holds more than one JSON document", "one JSON object")
		return false
	}
	fe.checkShape(path, doc, reflect.TypeOf(v).Elem())
	if len(fe.list) > before {
		return false
	}
	if err := json.Unmarshal(data, v); err != nil {
		fe.add(orBody(path), err.Error(), "")
		return false
	}
	return true
}

func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

// checkShape compares doc with the type it is to be decoded into. null stands
// for an absent value everywhere, as it does for encoding/json.
func (fe *fieldErrors) checkShape(path string, doc any, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if doc == nil || t == reflect.TypeFor[json.RawMessage]() {
		return
	}
	var ok bool
	switch t.Kind() {
	case reflect.Struct:
		var object map[string]any
		if object, ok = doc.(map[string]any); ok {
			fe.checkObject(path, object, t)
		}
	case reflect.Slice:
		var list []any
		list, ok = doc.([]any)
		for i, element := range list {
			fe.checkShape(path+"["+strconv.Itoa(i)+"]", element, t.Elem())
		}
	case reflect.String:
		_, ok = doc.(string)
	case reflect.Bool:
		_, ok = doc.(bool)
	default: // the integers
		var number json.Number
		if number, ok = doc.(json.Number); ok {
			_, err := strconv.ParseInt(number.String(), 10, 64)
			ok = err == nil
		}
	}
	if !ok {
		fe.add(orBody(path), "is "+jsonKind(doc), goKind(t))
	}
}

// checkObject compares the fields of object with those of the struct t.
func (fe *fieldErrors) checkObject(path string, object map[string]any, t reflect.Type) {
	known := map[string]reflect.Type{}
	names := make([]string, 0, t.NumField())
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = field.Type
		names = append(names, name)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		inner := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case known[name] != nil:
			fe.checkShape(inner, object[name], known[name])
		case !fe.lenient:
			fe.add(inner, "is not a field of this object", "one of "+strings.Join(names, ", "))
		}
	}
}

// jsonKind says what a decoded value is.
func jsonKind(doc any) string {
	switch doc := doc.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return strconv.FormatBool(doc)
	default:
		return "the number " + doc.(json.Number).String() //nolint:forcetypeassert // nothing else is left
	}
}

// goKind says what a type takes.
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
