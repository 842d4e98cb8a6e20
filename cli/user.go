package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/auth"
)

// accessCommand is what the commands have in common that edit an access file.
type accessCommand struct {
	env  environment
	file string
}

// flags declares the flag that names the file.
func (a *accessCommand) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&a.file, "access-file", "/etc/thalassa/access.yaml", "access `file` of the agent")
}

// edit changes the file. A running agent reads it within a second.
func (a *accessCommand) edit(change func(*auth.AccessEdit) error) error {
	err := auth.EditAccess(a.file, change)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return usageError{err}
	}
	return err
}

func newUser(env environment) *cobra.Command {
	a := &accessCommand{env: env}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "List, add and remove the users of an access file",
		Long: `Lists the users in the file that the agent's setting access-file names, or changes it.
The file is replaced as a whole; comments stay. A running agent reads it again within a
second: another password, a lesser role or a removed user ends the user's sessions.`,
		Args: arguments,
		RunE: func(*cobra.Command, []string) error { return a.listUsers() },
	}
	a.flags(cmd)
	cmd.AddCommand(a.addUser(), a.passwd(), &cobra.Command{
		Use: "remove NAME", Short: "Remove a user", Args: arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.edit(func(e *auth.AccessEdit) error { return e.RemoveUser(args[0]) })
		},
	})
	return cmd
}

func (a *accessCommand) listUsers() error {
	users, _, err := auth.ListAccess(a.file)
	if err != nil {
		return usageError{err}
	}
	return (&remote{env: a.env}).show(users, func(w io.Writer) {
		row(w, "NAME", "ROLE", "LOGIN", "ON")
		for _, u := range users {
			login := "password"
			if u.NoPassword {
				login = "none"
			}
			row(w, u.Name, u.Role, login, scope(u))
		}
	})
}

func (a *accessCommand) addUser() *cobra.Command {
	var g grantFlags
	passwordFile := ""
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long: `Asks for a password, unless --password-file names a file whose first line is one.
With --on the role counts for the named objects only. * stands for any characters.`,
		Example: `  echo 'a long passphrase' | thalassa user add ann --role admin --access-file access.yaml
  echo 'another passphrase' |
    thalassa user add sam --role deploy --on 'backend/shop-*' --access-file access.yaml`,
		Args: arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			grant, err := g.grant()
			if err != nil {
				return usageError{err}
			}
			hash, err := a.newPassword(args[0], passwordFile)
			if err != nil {
				return err
			}
			return a.edit(func(e *auth.AccessEdit) error { return e.AddUser(args[0], hash, grant) })
		},
	}
	g.declare(cmd)
	passwordFlag(cmd, &passwordFile)
	return cmd
}

func (a *accessCommand) passwd() *cobra.Command {
	passwordFile := ""
	cmd := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Give a user another password",
		Args:  arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			hash, err := a.newPassword(args[0], passwordFile)
			if err != nil {
				return err
			}
			return a.edit(func(e *auth.AccessEdit) error { return e.SetPassword(args[0], hash) })
		},
	}
	passwordFlag(cmd, &passwordFile)
	return cmd
}

func passwordFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "password-file", "", "`file` with the password (default: asks for it)")
}

// newPassword reads a password, at a terminal twice, and hashes it.
func (a *accessCommand) newPassword(name, file string) (hash string, err error) {
	var password string
	if file != "" {
		password, err = firstLine(file)
	} else {
		password, err = a.askPassword(name)
	}
	if err != nil {
		return "", usageError{fmt.Errorf("reading the password: %w", err)}
	}
	if hash, err = auth.HashPassword(password); err != nil {
		return "", usageError{err}
	}
	return hash, nil
}

func (a *accessCommand) askPassword(name string) (string, error) {
	input := bufio.NewReader(a.env.Stdin)
	if !isTerminal(a.env.Stdin) {
		return readLine(input)
	}
	defer hideInput(a.env.Stdin)()
	var typed [2]string
	for i, question := range []string{"Password for " + name + ": ", "Again: "} {
		fmt.Fprint(a.env.Stderr, question)
		var err error
		if typed[i], err = readLine(input); err != nil {
			return "", err
		}
		fmt.Fprintln(a.env.Stderr)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two differ")
	}
	return typed[0], nil
}

// firstLine is the first line of a file.
func firstLine(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readLine(bufio.NewReader(f))
}

// readLine reads a line of at most 4096 bytes.
func readLine(r *bufio.Reader) (string, error) {
	const longest = 4096
	var line []byte
	for {
		b, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF), err == nil && b == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case err != nil:
			return "", err
		case len(line) == longest:
			return "", fmt.Errorf("the line is longer than %d bytes", longest)
		}
		line = append(line, b)
	}
}
