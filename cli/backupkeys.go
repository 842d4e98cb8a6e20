package cli

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"thalassa/backup"
)

// keyFlags say how the keys of certificates in a backup are encrypted.
type keyFlags struct {
	with bool
	file string // with the passphrase; empty: it is asked for
}

// forBackup is the passphrase of a new backup; empty: it has no keys.
func (k keyFlags) forBackup(r *remote, cmd *cobra.Command) (string, error) {
	switch {
	case !k.with && k.file != "":
		return "", mistake(cmd, "--passphrase-file is for keys, expected --with-keys beside it")
	case !k.with:
		return "", nil
	}
	return k.read(r, "Again: ")
}

// forRestore is the passphrase of a backup that has keys; empty: they are not restored.
func (k keyFlags) forRestore(r *remote, h backup.Header, path string) (string, error) {
	hasKeys := h.Version == backup.KeysVersion
	switch {
	case k.file != "" && !hasKeys:
		return "", usageError{fmt.Errorf("%s has no keys, expected no --passphrase-file", path)}
	case !hasKeys, k.file == "" && (path == "-" || !isTerminal(r.env.Stdin)):
		return "", nil
	}
	return k.read(r)
}

// read reads the passphrase from the file, or at a terminal as often as there are questions
// more.
func (k keyFlags) read(r *remote, again ...string) (string, error) {
	if k.file != "" {
		passphrase, err := firstLine(k.file)
		if err == nil && passphrase == "" {
			err = errors.New("the file is empty")
		}
		if err != nil {
			return "", usageError{fmt.Errorf("reading the passphrase: %w", err)}
		}
		return passphrase, nil
	}
	if !isTerminal(r.env.Stdin) {
		return "", usageError{errors.New("there is no terminal to ask for the passphrase, expected --passphrase-file FILE")}
	}
	input := bufio.NewReader(r.env.Stdin)
	defer hideInput(r.env.Stdin)()
	first := ""
	for i, question := range append([]string{"Passphrase: "}, again...) {
		fmt.Fprint(r.env.Stderr, question)
		typed, err := readLine(input)
		fmt.Fprintln(r.env.Stderr)
		if err != nil {
			return "", usageError{fmt.Errorf("reading the passphrase: %w", err)}
		}
		if i > 0 && typed != first {
			return "", usageError{errors.New("reading the passphrase: the two differ")}
		}
		first = typed
	}
	return first, nil
}
