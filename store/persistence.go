package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/leftover"
	"thalassa/internal/safefile"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// persistenceVersion is the one version of the persistence file there is.
const persistenceVersion = 1

// maxPersistence bounds a persistence file, in bytes.
const maxPersistence = 256 << 20

// ReadPersistence reads a persistence file, that of the original Thalassa or one of
// WritePersistence; found is false when there is none. The error names the file and has the errors
// of ParsePersistence; nothing of an invalid file is used.
func ReadPersistence(path string) (in lb.Intent, found bool, err error) {
	data, err := safefile.Read(path, maxPersistence)
	if errors.Is(err, fs.ErrNotExist) {
		return lb.Intent{}, false, nil
	}
	if err != nil {
		return lb.Intent{}, false, fmt.Errorf("reading the persistence file: %w", err)
	}
	in, err = ParsePersistence(data)
	if err != nil {
		return lb.Intent{}, true, fmt.Errorf("reading the persistence file %s: %w", path, err)
	}
	return in, true, nil
}

// WritePersistence writes what operators asked for, sorted, so that equal
// intents give equal bytes, and without the members that Consul fills in. path
// holds the former or the new file at any moment, never a part; after an error
// it is the former one. A symbolic link is followed.
func WritePersistence(path string, in lb.Intent) error {
	path = followed(path)
	data, err := encodePersistence(in)
	if err == nil {
		err = safefile.Replace(path, append(data, '\n'), func(f *os.File) error { return f.Chmod(0o640) })
	}
	if err != nil {
		return fmt.Errorf("writing the persistence file: %w", err)
	}
	return nil
}

// encodePersistence has a list of objects for each kind. Certificates are without keys.
func encodePersistence(in lb.Intent) ([]byte, error) {
	var doc bytes.Buffer
	fmt.Fprintf(&doc, `{"version":%d`, persistenceVersion)
	for _, k := range lb.Kinds() {
		objects := in.Sorted(k)
		if isAlways, _ := lb.ByKind(k, true, true, false, false); len(objects) == 0 && !isAlways {
			continue
		}
		list := make([]json.RawMessage, len(objects))
		for i, o := range objects {
			text, err := encodeObject(o)
			if err != nil {
				return nil, err
			}
			list[i] = text
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&doc, `,%q:%s`, listOf(k), text)
	}
	doc.WriteByte('}')
	var out bytes.Buffer
	err := json.Indent(&out, doc.Bytes(), "", "  ")
	return out.Bytes(), err
}

// listOf is the field of a persistence file that has the objects of a kind.
func listOf(k lb.Kind) string { return string(k) + "s" }

// staleAfter is the age at which no write of the persistence file can be under way
// any more; it takes milliseconds.
const staleAfter = 5 * time.Minute

// SweepPersistence removes what programs that were killed while they wrote the
// persistence file have left beside it.
func SweepPersistence(ctx context.Context, path string, logger *slog.Logger) {
	path = followed(path)
	leftover.Kind{Dir: filepath.Dir(path), Prefixes: []string{leftover.TempPrefix(path)}, After: staleAfter}.Sweep(ctx, logger)
}

// followed is where a path leads when it is a symbolic link.
func followed(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// ParsePersistence reads {"version":1,"frontends":[…],"backends":[…]}. Fields
// that are not known are ignored, as the original wrote more than is known here;
// what is known must be right, and the whole must fit together (see
// lb.Intent.Validate). Instead of an array, objects may be in a map by key.
// The error is an *lb.InvalidError whose paths name object and field, e.g.
// `backends["live"].health.interval`, or an *lb.ConflictError.
func ParsePersistence(data []byte) (lb.Intent, error) {
	r, err := readObjects(data)
	if err != nil {
		return lb.Intent{}, err
	}
	if len(r.bad) > 0 {
		return lb.Intent{}, &lb.InvalidError{Fields: r.bad}
	}
	if err := r.in.Validate(); err != nil {
		return lb.Intent{}, err
	}
	return r.in, nil
}

// readObjects reads every object of a persistence file. The error is an *lb.InvalidError where data
// is not such a file.
func readObjects(data []byte) (*persistenceReader, error) {
	var named, file map[string]json.RawMessage
	var version *int
	data = strictjson.WithoutMark(data)
	err := json.Unmarshal(data, &named)
	file = make(map[string]json.RawMessage, len(named))
	for name, value := range named {
		file[strings.ToLower(name)] = value
	}
	if err == nil && file["version"] != nil {
		err = json.Unmarshal(file["version"], &version)
	}
	if err != nil {
		return nil, wrong("file", "is not a persistence file: "+err.Error(), `{"version":1,"frontends":[…],"backends":[…]}`)
	}
	if version != nil && *version != persistenceVersion {
		return nil, wrong("version", strconv.Itoa(*version)+" is not known here", "1")
	}
	r := &persistenceReader{in: lb.NewIntent()}
	for _, k := range lb.Kinds() {
		read, _ := lb.ByKind(k, r.frontend, r.backend, of(r, decodeSection), of(r, decodeCertificate))
		r.list(listOf(k), file[listOf(k)], func(path string, f fields) { read(path, listOf(k), f) })
	}
	return r, nil
}

// of adds objects as they are.
func of[O lb.Object](r *persistenceReader, decode func([]byte) (O, error)) func(path, list string, f fields) {
	return func(path, list string, f fields) { add(r, path, list, f, decode) }
}

func wrong(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// A persistenceReader collects objects, and everything that is wrong with them.
type persistenceReader struct {
	in  lb.Intent
	bad []lb.FieldError
}

// fields are those of one JSON object.
type fields map[string]json.RawMessage

// text is a field's value when it is a string, else empty.
func (f fields) text(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return ""
	}
	return s
}

func (f fields) set(name, value string) {
	f[name], _ = json.Marshal(value) // strings always marshal
}

// list passes each object of an array, or of a map by key, to add.
func (r *persistenceReader) list(name string, raw json.RawMessage, add func(path string, f fields)) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0, string(raw) == "null":
	case raw[0] == '[':
		r.array(name, raw, add)
	case raw[0] == '{':
		r.object(name, raw, add)
	default:
		r.fail(name, "is neither an array nor an object", "an array of objects")
	}
}

func (r *persistenceReader) array(name string, raw json.RawMessage, add func(path string, f fields)) {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		r.fail(name, err.Error(), "an array of objects")
		return
	}
	for i, e := range elements {
		path := name + "[" + strconv.Itoa(i) + "]"
		if f, ok := r.fields(path, e); ok {
			add(path, f)
		}
	}
}

// object reads a map by key. encoding/json would take the last of two equal
// keys.
func (r *persistenceReader) object(name string, raw json.RawMessage, add func(path string, f fields)) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, err := dec.Token() // the brace
	for err == nil && dec.More() {
		var key json.Token
		if key, err = dec.Token(); err != nil {
			break
		}
		var value json.RawMessage
		if err = dec.Decode(&value); err != nil {
			break
		}
		text, _ := key.(string) // keys always are
		path := quoted(name, text)
		f, ok := r.fields(path, value)
		switch {
		case !ok:
		case f["key"] == nil:
			f.set("key", text)
			add(path, f)
		case f.text("key") != text:
			r.fail(path+".key", "does not fit the place of the object", strconv.Quote(text))
		default:
			add(path, f)
		}
	}
	if err != nil {
		r.fail(name, err.Error(), "an object of objects")
	}
}

func (r *persistenceReader) fields(path string, raw json.RawMessage) (fields, bool) {
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil || f == nil {
		r.fail(path, "is not an object", "an object")
		return nil, false
	}
	return f, true
}

// frontend adds a frontend. Without key and id its name is the key, as in files of early versions.
func (r *persistenceReader) frontend(path, list string, f fields) {
	if f.text("key") == "" && f.text("id") == "" {
		f.set("key", f.text("name"))
	}
	add(r, path, list, f, decodeFrontend)
}

// backend adds a backend. The members of a dynamic one are ignored, as Consul knows them; of those
// of a static one only the fields of a memberDoc are read.
func (r *persistenceReader) backend(path, list string, f fields) {
	if f.text("type") == "dynamic" {
		delete(f, "members")
	}
	memberFields := [...]string{"host", "port", "target", "weight", "disabled"}
	var members []fields
	if json.Unmarshal(f["members"], &members) == nil {
		for _, m := range members {
			maps.DeleteFunc(m, func(name string, value json.RawMessage) bool {
				isForeign := name == "weight" && json.Unmarshal(value, new(int)) != nil
				return isForeign || !slices.Contains(memberFields[:], name)
			})
		}
		f["members"], _ = json.Marshal(members) // they have just been read
	}
	add(r, path, list, f, decodeBackend)
}

// add adds one object of a list.
func add[O lb.Object](r *persistenceReader, path, list string, f fields, decode func([]byte) (O, error)) {
	object, ok := decodeFields(r, &path, list, f, decode)
	switch {
	case !ok:
	case r.in.Object(object.ID()) != nil:
		r.fail(path, "is set twice", "each key once")
	default:
		r.in.Put(object)
	}
}

// decodeFields reads one object with the checks of lb. From here on its path names it by
// its key, where it has one.
func decodeFields[T any](r *persistenceReader, path *string, list string, f fields, decode func([]byte) (T, error)) (object T, ok bool) {
	key := f.text("key")
	if key == "" {
		_, key, _ = strings.Cut(f.text("id"), "/")
	}
	if key != "" {
		*path = quoted(list, key)
	}
	doc, err := json.Marshal(f)
	if err == nil {
		object, err = decode(doc)
	}
	if err == nil {
		return object, true
	}
	var invalid *lb.InvalidError
	if !errors.As(err, &invalid) {
		r.fail(*path, err.Error(), "")
		return object, false
	}
	for _, field := range invalid.Fields {
		field.Path = *path + "." + field.Path
		r.bad = append(r.bad, field)
	}
	return object, false
}

func (r *persistenceReader) fail(path, problem, expected string) {
	r.bad = append(r.bad, lb.FieldError{Path: path, Problem: problem, Expected: expected})
}

func quoted(list, key string) string { return list + "[" + strconv.Quote(key) + "]" }
