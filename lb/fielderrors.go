package lb

import "strings"

// Bounds of what FieldErrors keeps, so that an error takes no more memory than the
// document: a document of a megabyte may have a hundred thousand bad fields.
const (
	// MaxFields is the number of bad fields that are kept. Further ones are counted.
	MaxFields = 50
	// MaxFieldText is the length of a path, a problem or an expectation, in bytes. The
	// middle of a longer one is left out.
	MaxFieldText = 600
)

// FieldErrors collects what is wrong with one document. The zero value holds nothing.
type FieldErrors struct {
	list []FieldError
	more int
}

// Add records a problem of the field at path; expected may be empty.
func (fe *FieldErrors) Add(path, problem, expected string) {
	fe.add(FieldError{Path: path, Problem: problem, Expected: expected})
}

func (fe *FieldErrors) add(f FieldError) {
	if len(fe.list) >= MaxFields {
		fe.more++
		return
	}
	fe.list = append(fe.list, FieldError{Path: shortened(f.Path), Problem: shortened(f.Problem), Expected: shortened(f.Expected)})
}

// AddErr records err under path when it is a FieldError, the fields of an *InvalidError
// with their own paths, or else the text of err. A nil err is no problem.
func (fe *FieldErrors) AddErr(path string, err error) {
	switch err := err.(type) { //nolint:errorlint // made by this package's parsers, never wrapped
	case nil:
	case FieldError:
		err.Path = path
		fe.add(err)
	case *InvalidError:
		for _, f := range err.Fields {
			fe.add(f)
		}
		fe.more += err.More
	default:
		fe.Add(path, err.Error(), "")
	}
}

// Full reports whether a further problem would only be counted.
func (fe *FieldErrors) Full() bool { return len(fe.list) >= MaxFields }

// Err is an *InvalidError with what was recorded; nil: nothing was.
func (fe *FieldErrors) Err() error {
	if len(fe.list) == 0 {
		return nil
	}
	return &InvalidError{Fields: fe.list, More: fe.more}
}

// shortened is s in MaxFieldText bytes: its beginning and its end, which say most. It
// shares no memory with a longer s.
func shortened(s string) string {
	if len(s) <= MaxFieldText {
		return s
	}
	const gap = " … "
	half := (MaxFieldText - len(gap)) / 2
	return strings.ToValidUTF8(s[:half], "") + gap + strings.ToValidUTF8(s[len(s)-half:], "")
}
