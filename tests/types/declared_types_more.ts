/**
 * Declarations in a second file: the interfaces of one kind, which may be there as often as needed.
 *
 * @module
 */

export {};

declare module "@windkit/windmill-client" {
  interface WindmillScripts {
    "f/types/more": { args: { n: number }; result: "more" };
  }
  interface WindmillFlows {
    "f/types/more_flow": { result: boolean };
  }
  interface WindmillResources {
    "u/types/more": URL;
  }
  interface WindmillVariables {
    "f/types/more": "a" | "b";
  }
  interface ResourceTypes {
    c_types_more: { readonly key: string };
  }
}
