import { Component, type ReactNode } from "react";
import { ErrorFace } from "./faces.tsx";

type Props = { readonly children: ReactNode };
type State = { readonly error: unknown };

/** A view that breaks shows so, and the rest of the page stays; React has no other way to catch it than a class. */
export class Boundary extends Component<Props, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error === null ? (
      this.props.children
    ) : (
      <ErrorFace error={this.state.error} again={() => this.setState({ error: null })} />
    );
  }
}
