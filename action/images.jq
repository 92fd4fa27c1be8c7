# Returns the first image of each program in a list of messages, which is in the main format.
def main_images: reduce .[] as $one ([];
    if any(.[]; .name == $one.name and .package == $one.package) then . else . + [$one] end);
