/**
 * Keeps one broken part from taking the page with it: what throws while rendering is replaced by
 * `fallback`, which may look at what was thrown, and tried again when `resetKey` changes.
 */
import { Component } from 'react';
import type { ReactNode } from 'react';

interface RenderGuardProps {
  fallback: ReactNode | ((error: unknown) => ReactNode);
  resetKey?: unknown;
  children: ReactNode;
}

interface RenderGuardState {
  broken: boolean;
  error: unknown;
  resetKey: unknown;
}

export class RenderGuard extends Component<RenderGuardProps, RenderGuardState> {
  override state: RenderGuardState = { broken: false, error: null, resetKey: this.props.resetKey };

  static getDerivedStateFromError(error: unknown): Partial<RenderGuardState> {
    return { broken: true, error };
  }

  static getDerivedStateFromProps(
    props: RenderGuardProps,
    state: RenderGuardState,
  ): Partial<RenderGuardState> | null {
    if (props.resetKey === state.resetKey) return null;
    return { broken: false, error: null, resetKey: props.resetKey };
  }

  override render(): ReactNode {
    const { fallback, children } = this.props;
    if (!this.state.broken) return children;
    return typeof fallback === 'function' ? fallback(this.state.error) : fallback;
  }
}
