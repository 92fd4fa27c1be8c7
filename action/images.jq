# Returns the first image of each program in a list of messages, which is in the main format.
def main_images: reduce .[] as $one ([];
    if any(.[]; .name == $one.name and .package == $one.package) then . else . + [$one] end);

# Returns the messages about images in a list of messages, each with its program's repository. A plan may have no image:
# cargo skips programs whose features are off.
def with_repositories($plans): map(select(.reason == "wasm-oci-image") | . as $one
    | . + {repository: first($plans[] | select(.name == $one.name and .package == $one.package) | .repository)});
