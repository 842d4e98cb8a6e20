package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/cluster"
)

// importsPath is where imported histories are.
const importsPath = "/cluster/history/imports"

// importFlag declares the flag of a command that can show an imported history.
func importFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "import", "", "`ID` of an imported history to show instead")
}

// ofImport adds the ID of an import to the query of a path; empty: there is none.
func ofImport(path, id string) string {
	if id == "" {
		return path
	}
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	return path + sign + url.Values{"import": {id}}.Encode()
}

func newHistoryImport(o *onNode) *cobra.Command {
	cmd := o.agentCommand(&cobra.Command{
		Use:   "import FILE",
		Short: "Import the past of a cluster from a file",
		Long: `Imports the past of a cluster from a file of "thalassa cluster history export" or of crm
report, .tar.gz or .tar.bz2. The agent keeps it beside the past of its own cluster, and
--import=ID of the other commands about the history shows it.`,
		Example: `  thalassa cluster history import crm_report-Sun-29-Nov-2026.tar.bz2
  thalassa cluster history --import 1a2b3c4d5e6f
  thalassa cluster explain --import 1a2b3c4d5e6f`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			defer file.Close()
			info, err := file.Stat()
			if err == nil && !info.Mode().IsRegular() {
				err = errors.New(args[0] + " is not a regular file")
			}
			if err != nil {
				return usageError{err}
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			answer, err := c.Import(cmd.Context(), file, info.Size())
			if err != nil {
				return err
			}
			var about cluster.ImportedHistory
			if err := json.Unmarshal(answer, &about); err != nil {
				return fmt.Errorf("decoding the agent's answer: %w", err)
			}
			return o.show(about, func(w io.Writer) { importTable(w, []cluster.ImportedHistory{about}) })
		},
	})
	cmd.AddCommand(newHistoryImports(o), newImportRemove(o))
	return cmd
}

func newHistoryImports(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List imported histories",
		Long:    "Lists the pasts of clusters that were imported from files, the newest first.",
		Example: `  thalassa cluster history import list`,
		Args:    arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			var answer struct {
				Imports []cluster.ImportedHistory `json:"imports"`
			}
			if err := c.Get(cmd.Context(), importsPath, &answer); err != nil {
				return err
			}
			return o.show(answer, func(w io.Writer) { importTable(w, answer.Imports) })
		},
	}
}

func newImportRemove(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use:     "remove ID",
		Short:   "Remove an imported history",
		Long:    "Removes an imported history with all that is kept of it.",
		Example: `  thalassa cluster history import remove 1a2b3c4d5e6f`,
		Args:    arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			if _, err := c.Drop(cmd.Context(), importsPath+"/"+url.PathEscape(args[0])); err != nil {
				return err
			}
			return o.show(map[string]string{"removed": args[0]}, func(w io.Writer) { row(w, args[0]+" removed") })
		},
	}
}

// importTable prints imports, and what was left out of them.
func importTable(w io.Writer, list []cluster.ImportedHistory) {
	row(w, "ID", "CLUSTER", "NODES", "FROM", "TO", "TRANSITIONS", "LOG LINES", "MIB", "FILE")
	for _, i := range list {
		row(w, i.ID, cmp.Or(i.Cluster, "-"), strings.Join(i.Nodes, ","), localTime(i.From), localTime(i.To), strconv.Itoa(i.Transitions), strconv.Itoa(i.LogLines), fmt.Sprintf("%.1f", float64(i.Bytes)/(1<<20)), i.Name)
	}
	for _, i := range list {
		for _, n := range i.Notes {
			row(w, "("+i.ID+": "+n+")")
		}
	}
}
