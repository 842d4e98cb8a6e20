package store

import (
	"fmt"
	"strconv"
)

// A DamagedError is a file that cannot be trusted. Nothing of it was used or
// changed; it was renamed to SetAside. Opening Path again makes a new, empty
// store.
type DamagedError struct {
	Path     string
	SetAside string
	Cause    error // what is wrong with the file
}

// Error says what is wrong, and where the file is now.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the store %s is damaged (%v); it was set aside as %s", e.Path, e.Cause, e.SetAside)
}

// Unwrap gives the cause.
func (e *DamagedError) Unwrap() error { return e.Cause }

// A LockedError is a store that another process has open.
type LockedError struct {
	Path string
}

// Error says who probably holds it.
func (e *LockedError) Error() string {
	return "the store " + e.Path + " is in use by another process: is another agent running?"
}

// A SchemaError is a store that a newer version of the program has written. It
// stays as it is.
type SchemaError struct {
	Path          string
	Schema, Known int // the store's, and the newest that is known here
}

// Error names both numbers.
func (e *SchemaError) Error() string {
	return "the store " + e.Path + " has schema " + strconv.Itoa(e.Schema) + ", and this version knows only " + strconv.Itoa(e.Known) +
		": start the version that wrote it, or give another path"
}

// A VersionError is a store without damage that this version cannot use, because another
// one has written it: it has an object of a kind that is not known here, or one that is
// refused here. It stays as it is.
type VersionError struct {
	Path  string
	Cause error // names the object
}

// Error names the object and what is wrong with it.
func (e *VersionError) Error() string {
	return "the store " + e.Path + " was written by another version, and this one cannot use it: " + e.Cause.Error() +
		"; start the version that wrote it, or give another path"
}

// Unwrap gives the cause.
func (e *VersionError) Unwrap() error { return e.Cause }
