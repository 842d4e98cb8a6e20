package strictjson

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// A walker compares a document, which is known to be JSON, with a type. It reads token by token, so
// that its memory does not grow with the number of values in the document.
type walker struct {
	dec     *json.Decoder
	lenient bool // unknown fields are no problem
	shapes  map[reflect.Type]shape
}

// A shape is the fields of a struct by their JSON names, and a list of these names in the
// order of the struct.
type shape struct {
	types map[string]reflect.Type
	names string
}

// shape returns the fields of a struct.
func (w *walker) shape(t reflect.Type) shape {
	s, known := w.shapes[t]
	if known {
		return s
	}
	s.types = make(map[string]reflect.Type, t.NumField())
	names := make([]string, 0, t.NumField())
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.types[name] = f.Type
		names = append(names, name)
	}
	s.names = strings.Join(names, ", ")
	if w.shapes == nil {
		w.shapes = map[reflect.Type]shape{}
	}
	w.shapes[t] = s
	return s
}

// check compares the next value with the type it is to be decoded into. null stands for
// an absent value everywhere, as it does for encoding/json. The error is an
// *lb.InvalidError, or that of the decoder.
func (w *walker) check(path string, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return w.skip()
	}
	token, err := w.dec.Token()
	if err != nil || token == nil {
		return err
	}
	var ok bool
	switch t.Kind() {
	case reflect.Struct:
		if token == json.Delim('{') {
			return w.checkObject(path, t)
		}
	case reflect.Slice:
		if token == json.Delim('[') {
			return w.checkList(path, t)
		}
	case reflect.String:
		_, ok = token.(string)
	case reflect.Bool:
		_, ok = token.(bool)
	default: // the integers
		if number, isNumber := token.(json.Number); isNumber {
			_, err := strconv.ParseInt(number.String(), 10, 64)
			ok = err == nil
		}
	}
	if ok {
		return nil
	}
	var fe lb.FieldErrors
	fe.Add(orBody(path), "is "+tokenKind(token), goKind(t))
	if _, opened := token.(json.Delim); opened {
		if err := w.leave(); err != nil {
			return err
		}
	}
	return fe.Err()
}

// checkList compares the elements of a list up to its end.
func (w *walker) checkList(path string, t reflect.Type) error {
	var fe lb.FieldErrors
	for i := 0; w.dec.More(); i++ {
		fe.AddErr(path, w.check(path+"["+strconv.Itoa(i)+"]", t.Elem()))
	}
	if _, err := w.dec.Token(); err != nil {
		return err
	}
	return fe.Err()
}

// A field is a named part of an object, and what is wrong with it.
type field struct {
	name string
	err  error
}

// checkObject compares the fields of an object with those of the struct t. Its problems
// are in the order of their names.
func (w *walker) checkObject(path string, t reflect.Type) error {
	known := w.shape(t)
	seen := make(map[string]bool, len(known.types))
	var wrong []field
	more := 0
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // names always are
		switch of := known.types[name]; {
		case of == nil:
			err = w.checkUnknown(inner(path, name), known.names)
		case seen[name] && !w.lenient:
			err = w.checkRepeated(inner(path, name))
		default:
			seen[name] = true
			err = w.check(inner(path, name), of)
		}
		switch {
		case err == nil:
		case len(wrong) < lb.MaxFields:
			wrong = append(wrong, field{name, err})
		default:
			more++
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return err
	}
	slices.SortStableFunc(wrong, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	var fe lb.FieldErrors
	for _, f := range wrong {
		fe.AddErr(path, f.err)
	}
	if more > 0 {
		fe.AddErr("", &lb.InvalidError{More: more})
	}
	return fe.Err()
}

func inner(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// checkUnknown skips the value of a field that the type does not have.
func (w *walker) checkUnknown(path, names string) error {
	if err := w.skip(); err != nil || w.lenient {
		return err
	}
	var fe lb.FieldErrors
	fe.Add(path, "is not a field of this object", "one of "+names)
	return fe.Err()
}

// checkRepeated skips the value of a field that the object has already. Programs differ in which of
// them they take, and encoding/json mixes the two if they are objects.
func (w *walker) checkRepeated(path string) error {
	if err := w.skip(); err != nil {
		return err
	}
	var fe lb.FieldErrors
	fe.Add(path, "is set twice", "each field once")
	return fe.Err()
}

// skip reads over the next value.
func (w *walker) skip() error {
	var value json.RawMessage
	return w.dec.Decode(&value)
}

// leave reads up to the end of the object or list that has just begun.
func (w *walker) leave() error {
	for depth := 1; depth > 0; {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// tokenKind says what the value is that begins with a token.
func tokenKind(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return "an object"
		}
		return "an array"
	case string:
		return "a string"
	case bool:
		return strconv.FormatBool(token)
	default:
		return "the number " + token.(json.Number).String() //nolint:forcetypeassert // nothing else is left
	}
}
