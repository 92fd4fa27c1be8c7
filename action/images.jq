# Returns the first image of each program in a list of messages, which is in the main format.
def main_images: reduce .[] as $one ([];
    if any(.[]; .name == $one.name and .package == $one.package) then . else . + [$one] end);

# Returns the messages about images in a list of messages, each with its program's repository. Plans and programs have the
# same order.
def with_repositories($plans): map(select(.reason == "wasm-oci-image"))
    | (main_images | map([.package, .name])) as $programs
    | map(. as $one | . + {repository: $plans[$programs | index([[$one.package, $one.name]])].repository});
