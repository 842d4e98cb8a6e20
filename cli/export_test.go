package cli

// Exit codes, as docs/cli.md lists them.
const (
	ExitOK          = exitOK
	ExitFailure     = exitFailure
	ExitUsage       = exitUsage
	ExitNotFound    = exitNotFound
	ExitConflict    = exitConflict
	ExitRefused     = exitRefused
	ExitUnavailable = exitUnavailable
	ExitForbidden   = exitForbidden
)

// Evil is a text that a terminal would obey.
const Evil = evil

// Obeyed is about the first character of an output that a terminal would obey.
func Obeyed(text string) error { return obeyed(text) }

// Samples are the documents that the help shows, by the kind of object.
func Samples() map[string]string {
	return map[string]string{"backend": backendObjects().sample, "frontend": frontendObjects().sample}
}
